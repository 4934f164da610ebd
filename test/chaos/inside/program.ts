// The program of `lanekeeper` as the harness runs it: it obeys the harness, and is the product otherwise.
import { obey } from "./obey.ts";

obey();
const { main } = await import("../../../packages/cli/src/main.ts");
await main(process.argv);
