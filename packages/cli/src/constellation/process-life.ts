import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";

/**
 * Names one life of a process, since pids are used again: on Linux by boot and start tick, elsewhere
 * by the start time that `ps` shows. Undefined where no such process runs; a zombie does not.
 */
export function processLife(pid: number): Promise<string | undefined> {
  return process.platform === "linux" ? fromProc(pid) : fromPs(pid);
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

function fromPs(pid: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    execFile("ps", ["-p", String(pid), "-o", "lstart="], (_error, stdout) => {
      resolve(stdout.trim() || undefined);
    });
  });
}
