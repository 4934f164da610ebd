// Makes this process run TypeScript from its source: `node --import <this file> program.ts`.
import { register } from "node:module";

// Traces of errors name lines as they were written.
process.setSourceMapsEnabled(true);
register("./typescript-hooks.js", import.meta.url);
