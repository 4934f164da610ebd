// The program of `lanekeeper` with short retention: `node program.js start <service>`. The bounds are changed
// as they are loaded, on the way to this process alone, so that minutes show what months would.
import { register } from "node:module";

// Types are stripped by the product's own loader; ours comes before it and changes the text.
await import("../../../packages/cli/bin/typescript.js");
register("./hooks.ts", import.meta.url);
const { main } = await import("../../../packages/cli/src/main.ts");
await main(process.argv);
