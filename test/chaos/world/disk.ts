import { execFile, execFileSync } from "node:child_process";
import { mkdir, rm, statfs, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Room for minutes of work; the file behind it is sparse. */
const BYTES = 2 * 2 ** 30;

/** Less than this left is full: a Postgres page is 8 KiB. */
const FULL_BYTES = 4_096;

/** A file system of its own, so that it can be full without harm to anybody else. */
export class Disk implements AsyncDisposable {
  /** Where it is mounted. */
  readonly path: string;
  readonly #unmountAtExit: () => void;

  private constructor(path: string) {
    this.path = path;
    this.#unmountAtExit = () => unmount(path);
    process.once("exit", this.#unmountAtExit);
  }

  /** An ext4 in a file of `folder`; a sentence that says why not, where this machine makes none. */
  static async mount(folder: string): Promise<Disk | string> {
    if (process.platform !== "linux" || process.getuid?.() !== 0) {
      return "needs Linux and root, for a file system of its own";
    }
    const path = join(folder, "disk");
    const image = join(folder, "disk.img");
    try {
      await mkdir(path, { recursive: true });
      await writeFile(image, "");
      await truncate(image, BYTES);
      await run("mkfs.ext4", ["-q", "-F", "-m", "0", image]);
      await run("mount", ["-o", "loop", image, path]);
      return new Disk(path);
    } catch (error) {
      await rm(image, { force: true });
      return `no file system of its own: ${String(error).split("\n")[0]}`;
    }
  }

  /** Takes all the room that there is. */
  async fill(): Promise<void> {
    for (let n = 0; ; n += 1) {
      const { bavail, bsize } = await statfs(this.path);
      if (bavail * bsize < FULL_BYTES) return;
      const file = join(this.#ballast, String(n));
      await mkdir(this.#ballast, { recursive: true }).catch(() => undefined);
      // Blocks for the file's own list of blocks are in the number, and cannot be had for it.
      for (let bytes = bavail * bsize; bytes >= FULL_BYTES; bytes = Math.floor(bytes / 2)) {
        const taken = run("fallocate", ["-l", String(bytes), file]);
        if (await taken.then(always, never)) break;
        if (bytes < 2 * FULL_BYTES) return;
      }
    }
  }

  async free(): Promise<void> {
    await rm(this.#ballast, { recursive: true, force: true });
  }

  /** What a run left that was killed. */
  static forget(folder: string): void {
    unmount(join(folder, "disk"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    process.off("exit", this.#unmountAtExit);
    unmount(this.path);
    return Promise.resolve();
  }

  get #ballast(): string {
    return join(this.path, "ballast");
  }
}

const always = () => true;
const never = () => false;

function unmount(path: string): void {
  try {
    execFileSync("umount", ["-l", path], { stdio: "ignore" });
  } catch {
    // It is not mounted.
  }
}
