import { createDeliveryClient, createIdentityClient } from "@lanekeeper/client";
import { Disposal } from "@lanekeeper/service";
import { startConstellation } from "@lanekeeper/testing";
import { startDurablePostgres } from "../shared/durable-postgres.ts";
import { cpuOf, cpuOfAll, cpuOfServer, type CpuSeconds } from "../shared/processes.ts";
import type { Flags } from "./flags.ts";
import { type Least, openLeast } from "./least/least.ts";
import { makeTargets, type Target } from "./replies.ts";
import { type Sink, startSink } from "./sink-process.ts";

/** All processes of one run. What hands replies over, and what posts bare, is this process. */
export interface World {
  readonly sink: Sink;
  readonly delivery: ReturnType<typeof createDeliveryClient>;
  readonly targets: readonly Target[];
  readonly least: Least;
  /** Of the processes that a reply passes, ours or the least. */
  readonly cpu: Readonly<Record<"ours" | "least", () => Promise<CpuSeconds>>>;
}

/** What is opened is closed by `opened`. */
export async function openWorld(opened: Disposal, { sizes, cpuProf }: Flags): Promise<World> {
  const sink = opened.use(await startSink());
  const postgres = opened.use(await startDurablePostgres());
  const profile = cpuProf === undefined ? {} : profiling(cpuProf);
  const lane = opened.use(
    await startConstellation({
      env: {
        DATABASE_URL: postgres.url("postgres"),
        LANEKEEPER_LOG_LEVEL: "info",
        LANEKEEPER_WEBHOOK_ALLOW_PRIVATE: "127.0.0.0/8",
        ...profile,
      },
    }),
  );
  const to = (service: "session-identity" | "delivery") => ({
    target: lane.targets[service],
    credential: lane.credential("runner"),
    defaults: { tenant: "default", principal: "bench" },
  });
  const identity = createIdentityClient(to("session-identity"));
  const delivery = createDeliveryClient(to("delivery"));
  opened.defer(() => identity.$close());
  opened.defer(() => delivery.$close());
  console.error(`registering ${sizes.routes} routes`);
  const targets = await makeTargets(identity, delivery, sink.origin, sizes);
  const least = await openLeast(opened, postgres.url("postgres"), { sink, targets, sizes });
  const around = async (): Promise<CpuSeconds> => ({
    postgres: await cpuOfServer(postgres.pid),
    sink: await cpuOf(sink.pid),
    "who hands over": await cpuOf(process.pid),
  });
  const services = async (): Promise<CpuSeconds> => {
    const { delivery: own, "session-identity": fence } = await lane.pids();
    return cpuOfAll({ delivery: own, "session-identity": fence });
  };
  const cpu = {
    ours: async () => ({ ...(await services()), ...(await around()) }),
    least: async () => ({ ...(await least.cpu()), ...(await around()) }),
  };
  return { sink, delivery, targets, least, cpu };
}

function profiling(folder: string): Record<string, string> {
  const module = new URL("../shared/profile.mjs", import.meta.url).href;
  return { NODE_OPTIONS: `--import=${module}`, BENCH_CPU_PROF: folder };
}
