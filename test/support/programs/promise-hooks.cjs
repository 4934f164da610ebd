// Loaded by `node --require`: says on standard error that it looks, and, once, where an AsyncLocalStorage is
// first used. From then on Node 20 calls hooks for every promise of the process.
const { AsyncLocalStorage } = require("node:async_hooks");

let hasSaid = false;
for (const name of ["run", "enterWith"]) {
  const original = AsyncLocalStorage.prototype[name];
  AsyncLocalStorage.prototype[name] = function witnessed(...args) {
    if (!hasSaid) tell(new Error("promises have hooks from here on").stack);
    hasSaid = true;
    return original.apply(this, args);
  };
}
tell("promises are watched");

/** A line of the kind that the process' own log has. */
function tell(witness) {
  console.error(JSON.stringify({ witness }));
}
