import { execFile } from "node:child_process";
import { totalmem } from "node:os";
import { promisify } from "node:util";

/** Of each half of the young generation, in MiB. Node's own is 1 at first, and 16 at the most. */
const HALF_MIB = 32;

/** Below this Node's own choice stands, in bytes: each of four services may take 64 MiB more than with that. */
const ENOUGH_BYTES = 2 * 1024 ** 3;

const FLAGS = [`--min-semi-space-size=${HALF_MIB}`, `--max-semi-space-size=${HALF_MIB}`] as const;

/**
 * What Node is given so that a service's young generation has its size from the start: one that grows with what
 * survives stays small where most of it dies with its call, and is collected so much more often. Turns are some
 * 10 % faster by it (docs/performance.md). None where the operator has said what it is to be (`NODE_OPTIONS`), where memory
 * is scarce, or where this Node takes no such flags, which are V8's.
 * https://nodejs.org/api/cli.html#--max-semi-space-sizesize-in-mib
 */
export async function youngGenerationFlags(
  env: { readonly NODE_OPTIONS?: string | undefined },
  memoryBytes = memoryOfProcesses(),
  node = process.execPath,
): Promise<readonly string[]> {
  if (env.NODE_OPTIONS?.includes("semi-space-size") === true) return [];
  if (memoryBytes < ENOUGH_BYTES) return [];
  return (await takes(node)) ? FLAGS : [];
}

/** What the control group allows, if it allows less than there is. */
function memoryOfProcesses(): number {
  const allowed = process.constrainedMemory?.() ?? 0;
  return allowed > 0 ? Math.min(allowed, totalmem()) : totalmem();
}

/** Node refuses to start with a flag that its V8 does not know. */
async function takes(node: string): Promise<boolean> {
  try {
    await promisify(execFile)(node, [...FLAGS, "--version"]);
    return true;
  } catch {
    return false;
  }
}
