import type { Database } from "@lanekeeper/postgres";
import type { LentSchema } from "@lanekeeper/postgres/testing";
import {
  createIdentityClient,
  createRunnerClient,
  RunIds,
  type RunnerClient,
} from "@lanekeeper/client";
import { serviceCredential } from "@lanekeeper/rpc";
import { createMetrics, Disposal, Secret, systemClock, systemIds } from "@lanekeeper/service";
import { captureLog, testSettings } from "@lanekeeper/service/testing";
import type { RunnerContext } from "../context.ts";
import { runnerMetrics } from "../metrics.ts";
import type { Tool } from "../tools/tool.ts";
import { toolsFor } from "../tools/registry.ts";
import type { RunnerDeps } from "../deps.ts";
import { serveRunner } from "../serve.ts";
import { LIMITS } from "../limits.ts";
import { shareOf } from "../store/share.ts";
import { ResentTurns } from "../store/admission/resent-turns.ts";
import { TurnSteps } from "../store/runs/turn-steps.ts";
import { DeliveryStandIn } from "./delivery-stand-in.ts";
import { IdentityStandIn } from "./identity-stand-in.ts";
import { ModelDouble } from "./model-double.ts";
import { type IdentityHooks, Life, mortalDatabase, mortalIdentity } from "./mortal.ts";

import { forgetting } from "./forgotten-commit.ts";
import { losingAnswerTo } from "./lost-answer.ts";
import { Arm, armedDatabase, armedIdentity } from "./arm.ts";
import type { ReplicaOrder } from "./replica-process.ts";
import { SpawnedReplica } from "./spawned-replica.ts";

export const SECRET = "test-secret-test-secret-test-secret";

/** One replica of the runner, over real gRPC. */
export interface Replica {
  readonly name: string;
  readonly client: RunnerClient;
  /** The same door, as delivery comes to it. */
  readonly asDelivery: RunnerClient;
  readonly context: RunnerContext;
  readonly grpcPort: number;
  /** How often each statement was sent, by its name. */
  statements(): ReadonlyMap<string, number>;
  readonly log: ReturnType<typeof captureLog>;
  /** As `kill -9` does, as far as anybody outside can tell. */
  kill(): void;
  readonly isDead: boolean;
  /** As SIGTERM does; the signal is the end of the drain timeout. */
  drain(timeUp: AbortSignal): Promise<void>;
  stop(): Promise<void>;
}

export interface ReplicaOptions {
  readonly hooks?: IdentityHooks;
  readonly leaseMs?: number;
  /** Where it is killed, as `Arm` says. */
  readonly dieAt?: string;
  /** A statement whose first answer is lost, by its name. */
  readonly loses?: string;
  /** A statement that the database forgets once, by its name: answered, and lost when it died. */
  readonly forgets?: string;
  /** Awaited before each statement, which it is told by its name. */
  readonly beforeStatement?: (name: string) => Promise<void>;
}

/** A database with the runner's schema, session-identity and delivery beside it, and replicas on demand. */
export class World implements AsyncDisposable {
  readonly identity = new IdentityStandIn(SECRET);
  readonly delivery = new DeliveryStandIn();
  readonly model = new ModelDouble();
  /** Tools that every agent has, besides those of its configuration. */
  readonly tools: Tool[] = [];
  /** Awaited before an agent has its tools, as where their servers are slow. */
  toolsReady: Promise<void> = Promise.resolve();
  readonly db: Database<unknown>;
  readonly #schema: LentSchema;
  readonly #opened = new Disposal();
  #identityTarget = "";
  #count = 0;

  private constructor(schema: LentSchema) {
    this.#schema = schema;
    this.#opened.defer(() => schema.giveBack());
    this.db = this.#opened.use(schema.open<unknown>());
  }

  /** `identityTarget`: of a session-identity that takes the stand-in's place. */
  static async start(schema: LentSchema, identityTarget?: string): Promise<World> {
    const world = new World(schema);
    world.#opened.use(await world.identity.start());
    world.#identityTarget = identityTarget ?? world.identity.target;
    return world;
  }

  async replica(options: ReplicaOptions = {}): Promise<Replica> {
    this.#count += 1;
    const name = `replica-${this.#count}`;
    const life = new Life();
    life.before = options.beforeStatement;
    const log = captureLog({ level: "debug" });
    const opened = new Disposal();
    const deps = this.#deps(name, life, log, opened, options);
    const clusterSecret = new Secret(SECRET);
    const grpc = { host: "127.0.0.1", port: 0, variable: "LANEKEEPER_RUNNER_PORT" };
    const service = { settings: testSettings(), log: log.log };
    const running = opened.use(
      await serveRunner({ service, deps, config: { grpc, clusterSecret }, hooks: {} }),
    );
    const client = createRunnerClient({
      target: `127.0.0.1:${running.grpcPort}`,
      credential: serviceCredential("ingress", SECRET),
      defaults: { tenant: "t1", principal: "p1" },
    });
    opened.defer(() => client.$close());
    const asDelivery = createRunnerClient({
      target: `127.0.0.1:${running.grpcPort}`,
      credential: serviceCredential("delivery", SECRET),
      defaults: { tenant: "t1", principal: "p1" },
    });
    opened.defer(() => asDelivery.$close());
    let stopped: Promise<void> | undefined;
    const stop = (): Promise<void> => {
      // What a killed replica waits for never comes.
      stopped ??= life.isOver ? Promise.resolve() : opened[Symbol.asyncDispose]();
      return stopped;
    };
    this.#opened.defer(stop);
    const drain = (timeUp: AbortSignal) => running.drain(timeUp);
    return {
      name,
      client,
      asDelivery,
      context: running.context,
      grpcPort: running.grpcPort,
      statements: () => life.statements,
      log,
      kill: () => life.kill(),
      get isDead() {
        return life.isOver;
      },
      drain,
      stop,
    };
  }

  /** A replica in a process of its own, armed to end or to stop at a point. */
  async process(order: Pick<ReplicaOrder, "at" | "signal"> & { leaseMs?: number }) {
    const { leaseMs = 60_000, at, signal } = order;
    this.#schema.spoil();
    const { url: databaseUrl, name: schema } = this.#schema;
    const place = { databaseUrl, schema, secret: SECRET };
    const identityTarget = this.#identityTarget;
    const replica = await SpawnedReplica.start({ ...place, identityTarget, leaseMs, at, signal });
    return this.#opened.use(replica);
  }

  /** Makes the leases of killed replicas run out now, in place of waiting for it. */
  async expireLeases(): Promise<void> {
    this.identity.expireLeases();
    await this.db.query("UPDATE turns SET renewed_at = 'epoch' WHERE renewed_at IS NOT NULL");
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#opened[Symbol.asyncDispose]();
  }

  #deps(
    replica: string,
    life: Life,
    log: ReturnType<typeof captureLog>,
    opened: Disposal,
    options: ReplicaOptions,
  ): RunnerDeps {
    const db = opened.use(this.#schema.open<unknown>());
    const credential = serviceCredential("runner", SECRET);
    const identity = createIdentityClient({ target: this.#identityTarget, credential });
    opened.defer(() => identity.$close());
    const arm = new Arm(options.dieAt ?? "", () => life.kill());
    const isOver = (): boolean => life.isOver;
    const losing = losingAnswerTo(forgetting(db, options.forgets ?? ""), options.loses ?? "");
    const mortal = mortalDatabase(armedDatabase(losing, arm, isOver), life);
    return {
      db: mortal,
      callersDb: shareOf(mortal, 3, LIMITS.callersWaitMs),
      steps: new TurnSteps(mortal),
      resent: new ResentTurns(mortal),
      identity: mortalIdentity(armedIdentity(identity, arm, isOver), life, options.hooks ?? {}),
      delivery: this.delivery,
      clock: systemClock,
      ids: systemIds,
      runIds: new RunIds(() => systemIds.uuid()),
      log: log.log,
      metrics: runnerMetrics(createMetrics("runner", { ofProcess: false })),
      replica,
      leaseMs: options.leaseMs ?? 60_000,
      keepConversationsMs: undefined,
      agents: {
        model: () => this.model,
        modelName: () => this.model.name,
        tools: async (_tenant, agent, toolDeps) => {
          await this.toolsReady;
          return [...toolsFor(agent, toolDeps), ...this.tools];
        },
      },
    };
  }
}
