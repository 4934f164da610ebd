import { randomUUID } from "node:crypto";
import type { Disposal } from "@lanekeeper/service";
import { callLines } from "../../shared/least/lines.ts";
import { openDatabase } from "../../shared/least/statements.ts";
import { type CpuSeconds, cpuOf } from "../../shared/processes.ts";
import { startWorker } from "../../shared/worker-process.ts";
import { bodyOf } from "../bare.ts";
import { closedLoop } from "../closed-loop.ts";
import type { Target } from "../replies.ts";
import { type Sink, untilMore } from "../sink-process.ts";
import type { Sizes } from "../sizes.ts";
import type { Reply } from "./calls.ts";
import { makeTables } from "./tables.ts";

/**
 * What the guarantees cost at least: processes of their own for the fence and for the sending, on the same
 * Postgres, that store, claim, fence, post, tell and write in groups as ours do, over lines of JSON, and do
 * nothing else: no permission, no trace, log or metric, no retry, no route, no address that is checked.
 */
export interface Least {
  /** Replies a second, from the first handed over until the receiver has had each. */
  deliver(text: string): Promise<number>;
  cpu(): Promise<CpuSeconds>;
}

export async function openLeast(
  opened: Disposal,
  url: string,
  {
    sink,
    targets,
    sizes,
  }: { readonly sink: Sink; readonly targets: readonly Target[]; readonly sizes: Sizes },
): Promise<Least> {
  const db = openDatabase(url, 1);
  await makeTables(
    db,
    targets.map(({ session }) => session.sessionKey),
  );
  await db.close();
  const worker = async (name: string, env: Readonly<Record<string, string>>) =>
    opened.use(
      await startWorker(
        new URL(`./${name}.ts`, import.meta.url),
        { BENCH_DATABASE_URL: url, ...env },
        undefined,
      ),
    );
  const identity = await worker("identity", {});
  const delivery = await worker("delivery", {
    BENCH_IDENTITY_PORT: String(identity.hello),
    BENCH_ORIGIN: sink.origin,
    BENCH_IN_FLIGHT: String(sizes.inFlight),
    BENCH_SECRET: targets[0]?.signingSecret ?? "",
  });
  const calls = callLines<Reply, true>(Number(delivery.hello));
  opened.defer(() => calls.close());
  return {
    deliver: async (text) => {
      const total = targets.length * sizes.messagesPerRoute;
      const before = await sink.count();
      const startedMs = performance.now();
      await closedLoop(total, sizes.enqueuing, (n) =>
        calls.call(replyTo(targets[n % targets.length], text)),
      );
      await untilMore(sink, before, total);
      return total / ((performance.now() - startedMs) / 1_000);
    },
    cpu: async () => ({
      sending: await cpuOf(delivery.pid),
      fence: await cpuOf(identity.pid),
    }),
  };
}

function replyTo(target: Target | undefined, text: string): Reply {
  if (target === undefined) throw new Error("no such route");
  const id = randomUUID();
  const { sessionKey: key } = target.session;
  return { id, route: target.path, key, generation: 1, body: bodyOf(target, id, text) };
}
