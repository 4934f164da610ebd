// The program of `lanekeeper` with a fault planted: `node program.js <fault> start <service>`. Sources are
// changed as they are loaded, on the way to this process alone; nothing of it is in the product.
import { register } from "node:module";

// Types are stripped by the product's own loader; ours comes before it and changes the text.
await import("../../../packages/cli/bin/typescript.js");
const [node, , fault, ...args] = process.argv;
register("./hooks.ts", { parentURL: import.meta.url, data: fault });
const { main } = await import("../../../packages/cli/src/main.ts");
await main([node, "lanekeeper", ...args]);
