// In a service's process: SIGUSR2 makes V8 tell each hidden class that it makes, and the next one ends it. From the
// start on it would tell a hundred thousand first.
import v8 from "node:v8";

let isTelling = false;
process.on("SIGUSR2", () => {
  isTelling = !isTelling;
  v8.setFlagsFromString(isTelling ? "--log-maps" : "--no-log-maps");
});
