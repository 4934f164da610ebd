import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { eventually } from "@lanekeeper/testing";
import { WHOLE_RUN_MS } from "./sizes.ts";

export interface Sink extends AsyncDisposable {
  readonly origin: string;
  readonly pid: number;
  /** Posts so far, and ids among them. */
  count(): Promise<{ readonly posts: number; readonly distinct: number }>;
}

/** Resolves once so many ids more have come than there were. */
export function untilMore(
  sink: Sink,
  { distinct }: { readonly distinct: number },
  total: number,
): Promise<unknown> {
  const isThere = async () => (await sink.count()).distinct - distinct >= total;
  return eventually(isThere, { timeoutMs: WHOLE_RUN_MS, pollMs: 20, what: "all were sent" });
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
