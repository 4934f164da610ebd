import { randomBytes } from "node:crypto";
import { Disposal } from "@lanekeeper/service";
import type { Flags } from "../flags.ts";
import type { Job, Measured } from "../load/jobs.ts";
import { makeDatabase } from "./databases.ts";
import { startDurablePostgres } from "../../shared/durable-postgres.ts";
import { type IdentityProcess, startIdentity } from "./identity-process.ts";
import { startWorker } from "../../shared/worker-process.ts";

/** A service on a database of so many established keys. */
export interface Populated {
  readonly service: IdentityProcess;
  readonly databaseUrl: string;
  readonly keys: number;
}

/** All processes of one run. */
export interface World {
  readonly postgresVersion: string;
  readonly small: Populated;
  readonly emptyTarget: string;
  /** Starts the service with many keys; (d) and (e) alone need it. */
  large(): Promise<Populated>;
  /** Has the callers' process do a job. */
  readonly load: (job: Job) => Promise<Measured>;
}

/** What is opened is closed by `opened`. */
export async function openWorld(opened: Disposal, { sizes, cpuProf }: Flags): Promise<World> {
  const secret = randomBytes(32).toString("hex");
  const postgres = opened.use(await startDurablePostgres());
  const populate = async (name: string, keys: number): Promise<Populated> => {
    const databaseUrl = await makeDatabase(postgres, name, keys);
    const service = opened.use(await startIdentity({ databaseUrl, secret, cpuProf }));
    return { service, databaseUrl, keys };
  };
  const env = { BENCH_SECRET: secret };
  const worker = (module: string) => startWorker(new URL(module, import.meta.url), env, cpuProf);
  const empty = opened.use(await worker("./empty-rpc.ts"));
  const callers = opened.use(await worker("../load/main.ts"));
  const small = await populate("small", sizes.smallKeys);
  let large: Promise<Populated> | undefined;
  return {
    postgresVersion: postgres.version,
    small,
    emptyTarget: String(empty.hello),
    large: () => (large ??= populate("large", sizes.largeKeys)),
    load: async (job) => (await callers.ask(job)) as Measured,
  };
}
