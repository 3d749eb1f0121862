-- For wrk: counts what clients were told that were turned away, and prints it at the end.
local threads = {}
told = {}

function setup(thread)
   table.insert(threads, thread)
end

function response(status, _, body)
   if status == 503 then
      told[body] = (told[body] or 0) + 1
   end
end

function done()
   for _, thread in ipairs(threads) do
      for reason, count in pairs(thread:get("told")) do
         print("told", count, reason)
      end
   end
end
