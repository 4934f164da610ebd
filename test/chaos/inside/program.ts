// The program of `lanekeeper` as the harness runs it: it obeys the harness, and is the product otherwise.
import { obey } from "./obey.ts";

obey();
// What the product loads comes after that.
export const ended = import("../../../packages/cli/src/main.ts").then(({ main }) =>
  main(process.argv),
);
