import { spawn } from "node:child_process";

/**
 * `read` fails when the pipe from our process closes, however that process ended. The wait is bounded,
 * since a container without an init keeps the dead server as a zombie.
 */
const SCRIPT = `
pid=$1; shift
if read -r word; then exit 0; fi
kill -QUIT "$pid" 2>/dev/null
tries=0
while kill -0 "$pid" 2>/dev/null && [ "$tries" -lt 100 ]; do tries=$((tries + 1)); sleep 0.1; done
rm -rf -- "$@"
`;

/**
 * Ends a server and removes its folders should this process die, even by `kill -9`. Call the
 * returned function once both are gone anyway.
 */
export function guard(pid: number, folders: readonly string[]): () => void {
  const shell = spawn("/bin/sh", ["-c", SCRIPT, "lanekeeper-guard", String(pid), ...folders], {
    cwd: "/",
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
  });
  shell.on("error", () => undefined);
  shell.stdin.on("error", () => undefined);
  // Neither the child nor its pipe keeps our process alive.
  shell.unref();
  if ("unref" in shell.stdin && typeof shell.stdin.unref === "function") shell.stdin.unref();
  return () => shell.stdin.end("done\n");
}
