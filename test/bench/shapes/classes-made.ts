import { createReadStream } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";

const TELL_CLASSES = new URL("./tell-classes.mjs", import.meta.url).href;

/** What node is told so that a process can tell of hidden classes, in a file of `folder` by its id. */
export function tellingClasses(folder: string): readonly string[] {
  const file = ["--log", `--logfile=${pathOf(folder, "%p")}`, "--no-logfile-per-isolate"];
  return [...file, "--import", TELL_CLASSES];
}

/** From now on, or no more. */
export function toggleTelling(pid: number): void {
  process.kill(pid, "SIGUSR2");
}

/**
 * How many hidden classes processes of one script have told of, by why and by the lines that made them; less some forty
 * each that they have not written yet.
 */
export async function classesTold(
  folder: string,
  pids: readonly number[],
): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>();
  for (const pid of pids) {
    for await (const where of toldBy(folder, pid)) counts.set(where, (counts.get(where) ?? 0) + 1);
  }
  return counts;
}

async function* toldBy(folder: string, pid: number): AsyncGenerator<string> {
  const lines = createInterface({ input: createReadStream(pathOf(folder, String(pid))) });
  for await (const line of lines) {
    // map,<what>,<time>,<from>,<to>,<code>,<line>,<column>,<why>,<name>
    const [kind, what, , , , , place, column, ...why] = line.split(",");
    if (kind !== "map") continue;
    yield `${what} ${place}:${column} ${why.join(" ").replace(/ hash \w+/, "")}`;
  }
}

function pathOf(folder: string, pid: string): string {
  return join(folder, `classes-${pid}.log`);
}
