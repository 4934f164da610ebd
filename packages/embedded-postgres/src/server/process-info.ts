import { readFile, readlink } from "node:fs/promises";
import { runCommand } from "../run-command.ts";

/**
 * Names one life of a process: pids are reused, within a boot and across boots and containers.
 * Undefined when no such process runs; a zombie does not.
 */
export async function processIdentity(pid: number): Promise<string | undefined> {
  if (process.platform !== "linux") return (await psField(pid, "lstart")) || undefined;
  const stat = await procStat(pid);
  if (stat === undefined || stat.state === "Z" || stat.state === "X") return undefined;
  const boot = await readFile("/proc/sys/kernel/random/boot_id", "utf8").catch(() => "");
  return `${boot.trim()}/${stat.startTicks}`;
}

export async function isRunning(pid: number): Promise<boolean> {
  return (await processIdentity(pid)) !== undefined;
}

/** Whether a process is the postmaster of a cluster, whose real path is given. */
export async function isPostmasterOf(pid: number, cluster: string): Promise<boolean> {
  if (process.platform !== "linux") {
    const command = await psField(pid, "args");
    return command.includes("postgres") && command.includes(cluster);
  }
  // The postmaster works in its data directory, and its arguments stay as it was started.
  const directory = await readlink(`/proc/${pid}/cwd`).catch(() => "");
  const command = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
  const args = command.split("\0");
  return /postgres$/.test(args[0] ?? "") && (directory === cluster || args.includes(cluster));
}

async function psField(pid: number, field: "lstart" | "args"): Promise<string> {
  const { code, stdout } = await runCommand("ps", ["-ww", "-p", String(pid), "-o", `${field}=`]);
  return code === 0 ? stdout.trim() : "";
}

async function procStat(pid: number): Promise<{ state: string; startTicks: string } | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
  // The second field is the program's name in parentheses, which may itself hold spaces and ")".
  const fields = text?.slice(text.lastIndexOf(")") + 2).split(" ");
  const [state, startTicks] = [fields?.[0], fields?.[19]];
  return state === undefined || startTicks === undefined ? undefined : { state, startTicks };
}
