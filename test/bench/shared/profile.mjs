// Loaded into each service with --import: profiles it from its start and writes the profile at its end.
import { writeFileSync } from "node:fs";
import { Session } from "node:inspector";

const session = new Session();
session.connect();
session.post("Profiler.enable");
session.post("Profiler.setSamplingInterval", { interval: 500 });
session.post("Profiler.start");
const name = process.argv
  .slice(2)
  .join("-")
  .replaceAll(/[^\w-]/g, "");
process.once("exit", () => {
  session.post("Profiler.stop", (error, result) => {
    if (error !== null) return;
    const file = `${process.env.BENCH_CPU_PROF}/${name}-${process.pid}.cpuprofile`;
    writeFileSync(file, JSON.stringify(result.profile));
  });
});
