import { type ChildProcess, spawn } from "node:child_process";

/**
 * Lines tell which processes are ours now: "services <pid>…", "postgres <pid>". When the pipe closes
 * without "done" the supervisor was killed: the services notice by themselves and drain, then the
 * database is told to shut down. The wait is a little longer than the services' own bound.
 */
const SCRIPT = `
wait_tenths=$1
services=""; postgres=""
while read -r word rest; do
  case "$word" in
    services) services=$rest ;;
    postgres) postgres=$rest ;;
    done) exit 0 ;;
  esac
done
alive() { for pid in $services; do kill -0 "$pid" 2>/dev/null && return 0; done; return 1; }
while alive && [ "$wait_tenths" -gt 0 ]; do wait_tenths=$((wait_tenths - 1)); sleep 0.1; done
for pid in $services; do kill -KILL "$pid" 2>/dev/null; done
if [ -n "$postgres" ]; then kill -INT "$postgres" 2>/dev/null; fi
`;

/** Sees to it that even a `kill -9` of the supervisor leaves nothing running. */
export class Guard {
  readonly #shell: ChildProcess;

  /** @param graceMs how long the services may take to drain */
  constructor(graceMs: number) {
    this.#shell = spawn(
      "/bin/sh",
      ["-c", SCRIPT, "lanekeeper-guard", String(Math.ceil(graceMs / 100))],
      {
        cwd: "/",
        // Its own group: a Ctrl-C in the terminal must not end it before us.
        detached: true,
        stdio: ["pipe", "ignore", "ignore"],
      },
    );
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

  /** Everything is stopped. */
  done(): void {
    this.#tell("done");
    this.#shell.stdin?.end();
  }

  #tell(line: string): void {
    this.#shell.stdin?.write(`${line}\n`);
  }
}
