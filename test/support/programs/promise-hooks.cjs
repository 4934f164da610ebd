// Loaded by `node --require`: says, once, where an AsyncLocalStorage is first used. From then on Node 20
// calls hooks for every promise of the process.
const { AsyncLocalStorage } = require("node:async_hooks");

let hasSaid = false;
for (const name of ["run", "enterWith"]) {
  const original = AsyncLocalStorage.prototype[name];
  AsyncLocalStorage.prototype[name] = function witnessed(...args) {
    if (!hasSaid) console.error(new Error(`AsyncLocalStorage.${name} is used`).stack);
    hasSaid = true;
    return original.apply(this, args);
  };
}
