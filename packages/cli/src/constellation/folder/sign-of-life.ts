import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { lchown, open, readlink, rm, stat } from "node:fs/promises";
import { connect, createServer, type Server } from "node:net";
import { join } from "node:path";

/**
 * A socket in a folder on which somebody listens for as long as the process lives. Containers that share a volume see
 * each other's files and sockets, but not each other's processes; and the kernel takes the listener away with its
 * process, however that ends. What stays of it then is a file at which nobody answers.
 */
export interface SignOfLife extends AsyncDisposable {
  /** Of the file in the folder. */
  readonly name: string;
}

const NAME = /^alive-[0-9a-f]{12}\.sock$/;

export function isSignOfLife(name: string): boolean {
  return NAME.test(name);
}

/** Undefined where the folder takes no sockets, as some that are shared with a virtual machine. */
export async function giveSignOfLife(folder: string): Promise<SignOfLife | undefined> {
  const name = `alive-${randomBytes(6).toString("hex")}.sock`;
  const server = createServer((socket) => socket.destroy());
  if (!(await inFolder(folder, name, (path) => isListening(server, path)))) return undefined;
  // The process ends as it would without it.
  server.unref();
  await giveAway(folder, name);
  return {
    name,
    async [Symbol.asyncDispose]() {
      await new Promise((resolve) => server.close(resolve));
      await rm(join(folder, name), { force: true });
    },
  };
}

/** Whether somebody listens, also one that is stopped and answers nothing. */
export function isSignGiven(folder: string, name: string): Promise<boolean> {
  return inFolder(folder, name, async (path) => {
    const socket = connect(path);
    try {
      await once(socket, "connect");
      return true;
    } catch (error) {
      // Its queue is full: nobody takes from it, but it is there.
      return (error as NodeJS.ErrnoException).code === "EAGAIN";
    } finally {
      socket.destroy();
    }
  });
}

/** Which processes are seen here; undefined where there is nothing but one machine's. */
export async function pidNamespace(): Promise<string | undefined> {
  return readlink("/proc/self/ns/pid").catch(() => undefined);
}

async function isListening(server: Server, path: string): Promise<boolean> {
  try {
    // Its folder is for the owner alone; root may start what another began, and the other way round.
    server.listen({ path, writableAll: true });
    await once(server, "listening");
    return true;
  } catch {
    return false;
  }
}

/** As of all that root makes in the folder of another (`writeOwnFile`). */
async function giveAway(folder: string, name: string): Promise<void> {
  const { uid, gid } = await stat(folder);
  if (process.getuid?.() === 0 && uid !== 0) await lchown(join(folder, name), uid, gid);
}

/** A socket's name ends at 107 bytes, and folders may be longer: on Linux the folder has a short one. */
async function inFolder<Result>(
  folder: string,
  name: string,
  work: (path: string) => Promise<Result>,
): Promise<Result> {
  if (process.platform !== "linux") return work(join(folder, name));
  const handle = await open(folder, "r");
  try {
    return await work(`/proc/self/fd/${handle.fd}/${name}`);
  } finally {
    await handle.close();
  }
}
