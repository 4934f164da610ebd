import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

export interface Sink extends AsyncDisposable {
  readonly origin: string;
  readonly pid: number;
  /** Posts so far, and ids among them. */
  count(): Promise<{ readonly posts: number; readonly distinct: number }>;
}

export async function startSink(): Promise<Sink> {
  const child = fork(fileURLToPath(new URL("./sink.ts", import.meta.url)));
  const [{ port }] = (await once(child, "message")) as [{ port: number }];
  return {
    origin: `http://127.0.0.1:${port}`,
    pid: child.pid ?? 0,
    count: async () => {
      const answer = once(child, "message");
      child.send("count");
      const [counts] = (await answer) as [{ posts: number; distinct: number }];
      return counts;
    },
    [Symbol.asyncDispose]: async () => {
      const ended = once(child, "exit");
      child.disconnect();
      await ended;
    },
  };
}
