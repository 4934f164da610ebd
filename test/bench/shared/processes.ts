import { readdir, readFile } from "node:fs/promises";

/** CPU seconds that each process has used since it began, by a name for people. */
export type CpuSeconds = Readonly<Record<string, number>>;

/** Ticks of /proc/<pid>/stat; Linux has shown a hundred a second to programs since 2.6. */
const TICKS_PER_SECOND = 100;

/** Of a process alone; undefined where there is no /proc, or the process is gone. */
async function ofProcess(pid: number): Promise<Stat | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  // The name stands in parentheses and may hold anything; what follows is numbers.
  const fields = text
    .slice(text.lastIndexOf(")") + 2)
    .split(" ")
    .map(Number);
  const ticks = (from: number) =>
    ((fields[from] ?? 0) + (fields[from + 1] ?? 0)) / TICKS_PER_SECOND;
  return { parent: fields[1] ?? 0, own: ticks(11), ofEnded: ticks(13) };
}

interface Stat {
  readonly parent: number;
  readonly own: number;
  /** Of its children that have ended. */
  readonly ofEnded: number;
}

/** A node process, with what its threads used. */
export async function cpuOf(pid: number): Promise<number> {
  return (await ofProcess(pid))?.own ?? Number.NaN;
}

/** Of processes by their names; of one that does not run it is not a number. */
export async function cpuOfAll(pids: Readonly<Record<string, number | null>>): Promise<CpuSeconds> {
  const seconds: Record<string, number> = {};
  for (const [name, pid] of Object.entries(pids)) seconds[name] = await cpuOf(pid ?? 0);
  return seconds;
}

/** A Postgres server: the postmaster, its backends, and those that have ended. */
export async function cpuOfServer(postmaster: number): Promise<number> {
  const server = await ofProcess(postmaster);
  if (server === undefined) return Number.NaN;
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map(Number);
  const all = await Promise.all(pids.map(ofProcess));
  const backends = all.filter((stat) => stat?.parent === postmaster);
  return backends.reduce((sum, stat) => sum + (stat?.own ?? 0), server.own + server.ofEnded);
}
