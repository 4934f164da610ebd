import { readdir, readFile, readlink } from "node:fs/promises";

/** A listener's port is taken; the message says by whom and what to do. */
export class BusyPortError extends Error {
  override readonly name = "BusyPortError";
}

/**
 * What to tell people whose port is taken: the variable that moves ours, and the process that holds it
 * if that is one of ours. Looking for it is best effort: Linux only, own processes only.
 */
export async function explainBusyPort(port: number, variable: string): Promise<string> {
  const holder = await findHolder(port);
  const move = `set ${variable} to a free port`;
  if (holder === undefined) {
    return `Port ${port} is taken by another program: end that, or ${move}.`;
  }
  return `Port ${port} is taken by process ${holder.pid} (${holder.command}), another Lanekeeper: stop it with "kill ${holder.pid}", or ${move}.`;
}

/** Turns EADDRINUSE into a BusyPortError; every other error comes back as it is. */
export async function explainListenError(
  error: unknown,
  port: number,
  variable: string,
): Promise<unknown> {
  const isBusy = error instanceof Error && "code" in error && error.code === "EADDRINUSE";
  if (!isBusy) return error;
  return new BusyPortError(await explainBusyPort(port, variable), { cause: error });
}

interface Holder {
  readonly pid: number;
  readonly command: string;
}

async function findHolder(port: number): Promise<Holder | undefined> {
  const inodes = await listeningInodes(port);
  if (inodes.size === 0) return undefined;
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  for (const pid of pids) {
    const command = await commandOf(pid);
    if (!command.includes("lanekeeper") || !(await holdsAny(pid, inodes))) continue;
    return { pid: Number(pid), command: command.slice(0, 200) };
  }
  return undefined;
}

/** Columns 1, 3 and 9 of /proc/net/tcp, see proc(5): local address, state (0A is LISTEN), inode. */
async function listeningInodes(port: number): Promise<ReadonlySet<string>> {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const tables = await Promise.all(["/proc/net/tcp", "/proc/net/tcp6"].map(readOrEmpty));
  const rows = tables.flatMap((table) => table.split("\n").map((line) => line.trim().split(/\s+/)));
  const listening = rows.filter((row) => row[1]?.endsWith(suffix) && row[3] === "0A");
  return new Set(listening.flatMap((row) => row[9] ?? []));
}

async function holdsAny(pid: string, inodes: ReadonlySet<string>): Promise<boolean> {
  const folder = `/proc/${pid}/fd`;
  const names = await readdir(folder).catch(() => []);
  const links = await Promise.all(
    names.map((name) => readlink(`${folder}/${name}`).catch(() => "")),
  );
  return links.some((link) => inodes.has(/^socket:\[(\d+)\]$/.exec(link)?.[1] ?? ""));
}

async function commandOf(pid: string): Promise<string> {
  return (await readOrEmpty(`/proc/${pid}/cmdline`)).replaceAll("\0", " ").trim();
}

/** Processes end while one looks, and foreign ones do not show everything. */
function readOrEmpty(file: string): Promise<string> {
  return readFile(file, "utf8").catch(() => "");
}
