-- What ledger.rs does, on a hash in Redis, by Redis's clock. Numbers are whole and less
-- than 2^53 - 2^32: so one and a number of permits or a lease more is exact too.
--
-- KEYS[1]  the hash of the fleet: `format`, `max`, `version`, `lease`, `grace`, `fence`,
--          `quiet`, `now`, `run`, for each member `m:<id>`, which is
--          "fence seq share counted out demand until", and for who has left `l:<id>`,
--          which is "seq until". Times are in microseconds.
-- KEYS[2]  the channel on which members are called
-- ARGV[1]  "sync", "max" or "snapshot", then its arguments

local key, channel, what = KEYS[1], KEYS[2], ARGV[1]
local MAX_MEMBERS = 1024

local function whole(text)
  if type(text) ~= 'string' or not text:match('^%d+$') or #text > 16 then return nil end
  local n = tonumber(text)
  return n < 2^53 - 2^32 and n or nil
end
-- Permits: less than 2^32.
local function permits(n) return n and n < 4294967296 end
-- Which server process this is. Where that is not told, a restart would go unnoticed.
local run = redis.call('INFO', 'server'):match('run_id:(%x+)')
if not run then return redis.error_reply('ERR the server does not tell its run_id') end
local function show(n) return string.format('%.0f', n) end

-- Read and check all of it before anything is changed.
local flat = redis.call('HGETALL', key)
local fleet, members, departed, count = {}, {}, {}, 0
local raw = {}
for i = 1, #flat, 2 do raw[flat[i]] = flat[i + 1] end
if #flat > 0 and raw.format ~= '1' then
  return {'foreign', 'the hash has no field `format` that says 1'}
end
for field, value in pairs(raw) do
  if field:sub(1, 2) == 'm:' then
    local parts = {}
    for part in value:gmatch('%S+') do parts[#parts + 1] = whole(part) or -1 end
    local bad = #parts ~= 7
    for _, part in ipairs(parts) do bad = bad or part < 0 end
    for i = 3, 6 do bad = bad or not permits(parts[i]) end
    if bad then return {'foreign', 'a member is not seven numbers: ' .. field:sub(1, 40)} end
    members[field] = {
      id = field, fence = parts[1], seq = parts[2], share = parts[3],
      counted = parts[4], out = parts[5], demand = parts[6], till = parts[7],
    }
  elseif field:sub(1, 2) == 'l:' then
    local seq, till = value:match('^(%d+) (%d+)$')
    seq, till = whole(seq), whole(till)
    if not (seq and till) then
      return {'foreign', 'who has left is not two numbers: ' .. field:sub(1, 40)}
    end
    departed[field] = {seq = seq, till = till}
  elseif field ~= 'format' and field ~= 'run' then
    fleet[field] = whole(value)
    if not fleet[field] then return {'foreign', 'not a number: ' .. field:sub(1, 40)} end
  end
end
for _, field in ipairs({'max', 'version', 'lease', 'grace', 'fence', 'quiet', 'now'}) do
  if not fleet[field] then
    if #flat > 0 then return {'foreign', 'not there: ' .. field} end
    fleet[field] = 0
  end
end
if not permits(fleet.max) then return {'foreign', 'max is 2^32 or more'} end

local time = redis.call('TIME')
local now = math.max(fleet.now, tonumber(time[1]) * 1000000 + tonumber(time[2]))
local gone = {}
for field, member in pairs(members) do
  if member.till <= now then gone[#gone + 1] = field else count = count + 1 end
end
for _, field in ipairs(gone) do members[field] = nil end
for field, one in pairs(departed) do
  if one.till <= now then gone[#gone + 1] = field end
end
for _, field in ipairs(gone) do departed[field] = nil end

local function free()
  if now < fleet.quiet then return 0 end
  local left = fleet.max
  for _, member in pairs(members) do left = left - member.counted end
  return math.max(left, 0)
end

local function is_contended()
  local asked = 0
  for _, member in pairs(members) do asked = asked + member.demand end
  return asked > fleet.max
end

local function targets()
  local order, rest, left, targets = {}, {}, fleet.max, {}
  for _, member in pairs(members) do order[#order + 1] = member end
  table.sort(order, function(a, b)
    if a.demand ~= b.demand then return a.demand < b.demand end
    return a.fence < b.fence
  end)
  for i, member in ipairs(order) do
    if #rest > 0 or member.demand > math.floor(left / (#order - i + 1)) then
      rest[#rest + 1] = member
    else
      targets[member.id] = member.demand
      left = left - member.demand
    end
  end
  if #rest == 0 then rest = order end
  local n = #rest
  table.sort(rest, function(a, b) return a.fence < b.fence end)
  local more = left % n
  local first = math.floor(now / math.max(fleet.lease, 1)) % n * more % n
  for i, member in ipairs(rest) do
    local after = (i - 1 + n - first) % n
    local one = after < more and 1 or 0
    targets[member.id] = (targets[member.id] or 0) + math.floor(left / n) + one
  end
  return targets
end

-- How long until something comes back by itself; 0 where nothing does.
local function next_expiry(id)
  if now < fleet.quiet then return fleet.quiet - now end
  local first
  for other, member in pairs(members) do
    if other ~= id and member.counted > 0 and not (first and first <= member.till) then
      first = member.till
    end
  end
  return first and first - now or 0
end

local function call(fences)
  if #fences > 0 then redis.call('PUBLISH', channel, table.concat(fences, ' ')) end
end

local function call_those_who_help(targets, id, was_contended)
  local all = not was_contended and is_contended()
  local fences, anyone, some = {}, all, free() > 0
  local function short(member)
    return member.share < math.min(member.demand, targets[member.id] or 0)
  end
  for _, member in pairs(members) do anyone = anyone or short(member) end
  if not anyone then return end
  for field, member in pairs(members) do
    local helps = member.share > targets[field] or some and short(member)
    if field ~= id and (all or helps) then
      fences[#fences + 1] = show(member.fence)
    end
  end
  call(fences)
end

local function save(id)
  if #gone > 0 then
    for i = 1, #gone, 100 do
      redis.call('HDEL', key, unpack(gone, i, math.min(i + 99, #gone)))
    end
  end
  local fields = {'format', '1', 'run', raw.run or ''}
  for _, field in ipairs({'max', 'version', 'lease', 'grace', 'fence', 'quiet'}) do
    fields[#fields + 1] = field
    fields[#fields + 1] = show(fleet[field])
  end
  fields[#fields + 1] = 'now'
  fields[#fields + 1] = show(now)
  local m = id and members[id]
  if m then
    fields[#fields + 1] = id
    fields[#fields + 1] = table.concat({
      show(m.fence), show(m.seq), show(m.share), show(m.counted), show(m.out),
      show(m.demand), show(m.till),
    }, ' ')
  end
  redis.call('HSET', key, unpack(fields))
end

if what == 'sync' then
  local names = {
    'seq', 'share', 'out', 'demand', 'max', 'version', 'lease', 'grace', 'leaving', 'fence',
  }
  local report = {}
  for i, name in ipairs(names) do report[name] = tonumber(ARGV[i + 2]) end
  local id = 'm:' .. ARGV[2]
  local known, departing = members[id], 'l:' .. ARGV[2]
  local last = known or departed[departing]
  if last and last.seq >= report.seq then return {'stale'} end
  if not known and count >= MAX_MEMBERS then return {'members'} end
  local others = count - (known and 1 or 0)
  if others > 0 and (fleet.lease ~= report.lease or fleet.grace ~= report.grace) then
    return {'lease'}
  end
  -- Another server process than the last time, or an empty one: it may have forgotten
  -- members.
  if raw.run ~= run then
    fleet.quiet = now + report.lease + report.grace
    raw.run = run
  end
  local was_contended = is_contended()
  fleet.lease, fleet.grace = report.lease, report.grace
  if fleet.version == 0 then fleet.version, fleet.max = 1, report.max end
  if report.version > fleet.version then
    fleet.version, fleet.max = report.version, report.max
  end
  if fleet.version == 1 and now >= fleet.quiet then fleet.version = 2 end
  fleet.fence = math.max(fleet.fence, report.fence)
  -- A lower one is of a life before, and this server has lost what came after.
  local fence = known and known.fence >= report.fence and known.fence
  if not fence then fleet.fence = math.max(now, fleet.fence + 1) end
  local bound = math.max(report.share, report.out)
  local member = {
    id = id, fence = fence or fleet.fence, seq = report.seq,
    share = report.share, counted = bound, out = report.out,
    demand = report.leaving == 1 and 0 or report.demand,
    till = now + report.lease + report.grace,
  }
  members[id] = member
  local share, target, next, left = 0, 0, 0, nil
  if report.leaving == 1 then
    member.share = 0
    if bound == 0 then
      members[id] = nil
      if known then gone[#gone + 1] = id end
      left = show(report.seq) .. ' ' .. show(member.till)
    end
    call_those_who_help(targets(), id, was_contended)
  else
    local all = targets()
    target = all[id]
    share = math.min(target, bound + free())
    member.share, member.counted = share, math.max(bound, share)
    call_those_who_help(all, id, was_contended)
    if share < target or report.demand > share then next = next_expiry(id) end
  end
  save(id)
  -- After `save`, which deletes the one before.
  if left then redis.call('HSET', key, departing, left) end
  return {
    'granted', show(member.fence), show(share), show(fleet.max), show(fleet.version),
    is_contended() and '1' or '0', share < target and now >= fleet.quiet and '1' or '0',
    show(next),
  }
end

if fleet.version == 0 then return {'nobody'} end

if what == 'max' then
  local was_contended = is_contended()
  fleet.version = math.max(now, fleet.version + 1)
  fleet.max = tonumber(ARGV[2])
  local targets, fences = targets(), {}
  local all = not was_contended and is_contended()
  for field, member in pairs(members) do
    if all or member.share ~= targets[field] then fences[#fences + 1] = show(member.fence) end
  end
  save()
  call(fences)
  return {'done'}
end

-- A snapshot changes nothing.
local complete = raw.run == run and now >= fleet.quiet
local answer = {'snapshot', show(fleet.max), complete and '1' or '0'}
for _, member in pairs(members) do
  answer[#answer + 1] = table.concat({
    show(member.fence), show(member.share), show(member.counted), show(member.out),
    show(member.demand),
  }, ' ')
end
return answer
