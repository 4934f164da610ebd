#!/usr/bin/env node
// Plain JavaScript without newer syntax: an older Node must get as far as the sentence below.
var have = process.versions.node.split(".").map(Number);

if (have[0] < 20 || (have[0] === 20 && have[1] < 19)) {
  console.error(
    "Lanekeeper needs Node 20.19 or later, and this is Node " +
      process.versions.node +
      ": install a newer one (https://nodejs.org) and start again.",
  );
  process.exit(1);
}

import("./program.js")
  .then(function (loader) {
    return loader.load();
  })
  .then(function (program) {
    return program.main(process.argv);
  })
  .catch(function (error) {
    if (error && error.code === "ERR_MODULE_NOT_FOUND" && /'esbuild'/.test(error.message)) {
      console.error(
        "Lanekeeper's packages are not installed: run npm install in its folder, then start again.",
      );
    } else {
      console.error(error);
    }
    process.exitCode = 1;
  });
