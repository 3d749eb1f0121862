// Runs the tests of a module, each in an instance of its own: a panic ends an instance.
const fs = require("node:fs");

const module_ = new WebAssembly.Module(fs.readFileSync(process.argv[2]));

function instance() {
  const print = (text, length) => {
    const bytes = new Uint8Array(exports.memory.buffer, text, length);
    console.log(new TextDecoder().decode(bytes));
  };
  const { exports } = new WebAssembly.Instance(module_, { node: { print } });
  return exports;
}

let failed = 0;
const tests = instance().tests();
for (let test = 0; test < tests; test++) {
  try {
    instance().run(test);
  } catch (error) {
    console.log(`test ${test} of ${tests} failed: ${error}`);
    failed++;
  }
}
const result = failed === 0 && tests > 0 ? "ok" : "FAILED";
console.log(`\ntest result: ${result}. ${tests - failed} passed; ${failed} failed`);
process.exit(result === "ok" ? 0 : 1);
