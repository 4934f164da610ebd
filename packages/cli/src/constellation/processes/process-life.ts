import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";

/**
 * Names one life of a process, since pids are used again: on Linux by boot and start tick, elsewhere
 * by the start time that `ps` shows. Undefined where no such process runs; a zombie does not.
 */
export async function processLife(pid: number): Promise<string | undefined> {
  return process.platform === "linux" ? fromProc(pid) : (await psField(pid, "lstart")) || undefined;
}

/** The same of several, by their pids. */
export async function processLives(
  pids: readonly number[],
): Promise<ReadonlyMap<number, string | undefined>> {
  return new Map(
    await Promise.all(pids.map(async (pid) => [pid, await processLife(pid)] as const)),
  );
}

/** The command line as the process shows it; empty where there is none. */
export async function processCommand(pid: number): Promise<string> {
  // Slim images have no ps.
  if (process.platform !== "linux") return psField(pid, "args");
  const text = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
  return text.replaceAll("\0", " ").trim();
}

/** See proc(5); the second field is the program's name, which may hold spaces and parentheses. */
async function fromProc(pid: number): Promise<string | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [state, startTicks] = [fields[0], fields[19]];
  if (startTicks === undefined || state === "Z" || state === "X") return undefined;
  const boot = await readFile("/proc/sys/kernel/random/boot_id", "utf8").catch(() => "");
  return `${boot.trim()}/${startTicks}`;
}

function psField(pid: number, field: "lstart" | "args"): Promise<string> {
  return new Promise((resolve) => {
    execFile("ps", ["-ww", "-p", String(pid), "-o", `${field}=`], (_error, stdout) =>
      resolve(stdout.trim()),
    );
  });
}
