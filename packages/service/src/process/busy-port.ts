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
  const { pid, command, supervisorPid } = holder;
  const taken = `Port ${port} is taken by process ${pid} (${command})`;
  if (supervisorPid === undefined) {
    return `${taken}, another Lanekeeper: stop it with "kill ${pid}", or ${move}.`;
  }
  return `${taken} of another Lanekeeper, which process ${supervisorPid} runs and would start again: stop all of it with "kill ${supervisorPid}", or ${move}.`;
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
  /** Of the `lanekeeper start` that starts it again whenever it ends. */
  readonly supervisorPid: number | undefined;
}

async function findHolder(port: number): Promise<Holder | undefined> {
  const inodes = await listeningInodes(port);
  if (inodes.size === 0) return undefined;
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  for (const pid of pids) {
    const command = await commandOf(pid);
    if (!command.includes("lanekeeper") || !(await holdsAny(pid, inodes))) continue;
    return {
      pid: Number(pid),
      command: command.slice(0, 200),
      supervisorPid: await supervisorOf(pid),
    };
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

/** The parent, where it is a start of everything: `…/lanekeeper.js start`, without a service's name. */
async function supervisorOf(pid: string): Promise<number | undefined> {
  const stat = await readOrEmpty(`/proc/${pid}/stat`);
  // See proc(5): state and parent follow the name, which may hold spaces and parentheses.
  const parent = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1] ?? "";
  const args = (await readOrEmpty(`/proc/${parent}/cmdline`)).split("\0").filter(Boolean);
  const program = args.findIndex((arg) => /(^|\/)lanekeeper(\.js)?$/.test(arg));
  const isStart = program !== -1 && args.slice(program + 1).join(" ") === "start";
  return isStart ? Number(parent) : undefined;
}

async function commandOf(pid: string): Promise<string> {
  return (await readOrEmpty(`/proc/${pid}/cmdline`)).replaceAll("\0", " ").trim();
}

/** Processes end while one looks, and foreign ones do not show everything. */
function readOrEmpty(file: string): Promise<string> {
  return readFile(file, "utf8").catch(() => "");
}
