import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

const SCRIPT = fileURLToPath(new URL("./guard.sh", import.meta.url));

/** Sees to it that even a `kill -9` of the supervisor leaves nothing running. */
export class Guard {
  readonly #shell: ChildProcess;

  /** @param graceMs how long the services may take to drain */
  constructor(graceMs: number) {
    this.#shell = spawn("/bin/sh", [SCRIPT, String(Math.ceil(graceMs / 100))], {
      cwd: "/",
      // Its own group: a Ctrl-C in the terminal must not end it before us.
      detached: true,
      stdio: ["pipe", "ignore", "ignore"],
    });
    this.#shell.on("error", () => undefined);
    this.#shell.stdin?.on("error", () => undefined);
    this.#shell.unref();
  }

  services(pids: readonly number[]): void {
    this.#tell(`services ${pids.join(" ")}`);
  }

  postgres(pid: number | undefined): void {
    this.#tell(`postgres ${pid ?? ""}`);
  }

  /** Everything is stopped. Resolves when the guard knows. */
  done(): Promise<void> {
    const { stdin } = this.#shell;
    if (stdin === null || stdin.destroyed) return Promise.resolve();
    return new Promise((resolve) => {
      stdin.once("close", resolve);
      stdin.end("done\n");
    });
  }

  #tell(line: string): void {
    this.#shell.stdin?.write(`${line}\n`);
  }
}
