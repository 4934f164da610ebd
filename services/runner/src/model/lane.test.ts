import type { EmbeddedPostgres } from "@lanekeeper/embedded-postgres";
import { TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { hasReason } from "@lanekeeper/rpc";
import { eventually } from "@lanekeeper/testing";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import type { ModelEvent, ModelRequest } from "../models/model.ts";
import { textOf } from "../domain/message-text.ts";
import { isTerminal, stateOf } from "../domain/turn-state.ts";
import { type Gate, gate } from "../testing/gate.ts";
import { end } from "../testing/model-double.ts";
import { applyMain, Attached, TENANT, turnFor } from "../testing/requests.ts";
import { type Replica, startServer, World } from "../testing/world.ts";
import { checkLane } from "./check-lane.ts";
import { type Command, commands } from "./commands.ts";
import { type Facts, interrupts, type TurnFacts } from "./facts.ts";

// Each statement of both replicas waits for the scheduler, on a machine that has other work too.
vi.setConfig({ testTimeout: 240_000 });

let server: EmbeddedPostgres;
beforeAll(async () => {
  server = await startServer();
}, 60_000);
afterAll(() => server.stop());

/** Two replicas whose statements and model answers a scheduler puts in order, and a lane of its own. */
class Stage {
  readonly key: string;
  readonly world: World;
  readonly scheduler: fc.Scheduler;
  readonly replicas: Replica[] = [];
  readonly turns: TurnFacts[] = [];
  readonly attached = new Map<string, { readonly caller: Attached; readonly replica: Replica }>();
  readonly cancelled = new Set<string>();
  readonly released: Gate = gate();
  #isOver = false;

  constructor(world: World, scheduler: fc.Scheduler, key: string) {
    this.world = world;
    this.scheduler = scheduler;
    this.key = key;
    world.model.behaviour = (request) => this.#answer(request);
  }

  async *#answer({ messages, signal }: ModelRequest): AsyncIterable<ModelEvent> {
    const last = messages.at(-1);
    const text = last === undefined ? "" : textOf(last);
    yield { type: "text", text: "echo: " };
    if (text.startsWith("hold")) await untilAborted(signal, this.released.opened);
    await this.turn("model");
    signal.throwIfAborted();
    yield { type: "text", text };
    yield end();
  }

  /** Whoever awaits it goes on when the scheduler says so. */
  async turn(label: string): Promise<void> {
    if (!this.#isOver) await this.scheduler.schedule(Promise.resolve(), label);
  }

  async start(at: number): Promise<void> {
    const beforeStatement = () => this.turn(`replica ${at}`);
    this.replicas[at] = await this.world.replica({ beforeStatement, leaseMs: 5_000 });
  }

  /** Lets what is scheduled happen, one thing at a time, until the work is done. */
  async drive<T>(work: Promise<T>): Promise<T> {
    let isDone = false;
    const done = work.finally(() => {
      isDone = true;
    });
    done.catch(() => undefined);
    while (!isDone) {
      if (this.scheduler.count() > 0) await this.scheduler.waitNext(1);
      else await new Promise((resolve) => setTimeout(resolve, 1));
    }
    return done;
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    this.released.open();
    const stopped = Promise.all(this.replicas.map((replica) => replica.stop()));
    await this.drive(stopped);
  }

  at(n: 0 | 1): Replica {
    return this.replicas[n] as Replica;
  }
}

function untilAborted(signal: AbortSignal, released: Promise<void>): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    void released.then(resolve);
  });
}

async function perform(stage: Stage, command: Command, place: number): Promise<void> {
  const { world, key } = stage;
  switch (command.do) {
    case "submit":
      return submit(stage, command, place);
    case "cancel": {
      const turn = stage.turns[command.turn % Math.max(1, stage.turns.length)];
      if (turn === undefined) return;
      stage.cancelled.add(turn.turnId);
      await lost(stage.at(command.at).client.cancelTurn({ turnId: turn.turnId }));
      return;
    }
    case "reset":
      world.identity.rotate(TENANT, key, { skipsQueued: command.skipsQueued });
      return;
    case "crash":
      stage.at(command.at).kill();
      await stage.start(command.at);
      await world.expireLeases();
      return;
    case "lapse":
      await world.expireLeases();
  }
}

/** What a replica that was killed was asked is answered by nobody. */
function lost<T>(call: Promise<T>): Promise<T | undefined> {
  const patience = new Promise<undefined>((resolve) => setTimeout(resolve, 3_000, undefined));
  return Promise.race([call.catch(() => undefined), patience]);
}

async function submit(
  stage: Stage,
  command: Command & { readonly do: "submit" },
  place: number,
): Promise<void> {
  const { world, key } = stage;
  const { onConflict, turnClass } = command;
  const holds = command.holds && !interrupts({ command });
  const text = `${holds ? "hold" : "say"} ${place}`;
  const request = turnFor(world, text, { key, onConflict, turnClass });
  // Asked again where no answer came, as every caller does, by the same key.
  for (;;) {
    const replica = stage.at(command.at);
    const answer = await lost(
      replica.client.submitTurn(request).catch((error: unknown) => {
        if (hasReason(error, "SESSION_BUSY")) return "refused" as const;
        throw error;
      }),
    );
    if (answer === "refused") return;
    if (answer === undefined) continue;
    const { turnId } = answer;
    stage.turns.push({ text, turnId, command, place });
    const caller = new Attached(replica, { turnId });
    stage.attached.set(turnId, { caller, replica });
    return;
  }
}

async function openTurns({ world }: Stage, turnIds: readonly string[]): Promise<string[]> {
  const { rows } = await world.db.query<{ turnId: string; state: number }>(
    `SELECT turn_id AS "turnId", state::int FROM turns WHERE turn_id = ANY ($1)`,
    [turnIds],
  );
  return rows.filter(({ state }) => !isTerminal(stateOf(state))).map(({ turnId }) => turnId);
}

/** Whoever interrupts does not wait for a turn that holds, whenever it came; then all the others end. */
async function untilEnded(stage: Stage): Promise<void> {
  const patience = { timeoutMs: 60_000 };
  const hasty = stage.turns.filter(interrupts).map(({ turnId }) => turnId);
  await eventually(async () => (await openTurns(stage, hasty)).length === 0, {
    ...patience,
    what: `those that interrupt end, of ${JSON.stringify(stage.turns)}`,
  });
  stage.released.open();
  const all = stage.turns.map(({ turnId }) => turnId);
  await eventually(async () => (await openTurns(stage, all)).length === 0, {
    ...patience,
    what: `all turns end, of ${JSON.stringify(stage.turns)}`,
  });
}

/**
 * Callers are told what is stored: for a turn that joined, what became of its host. Who was attached to
 * a replica that died attaches to another one, behind what it has heard.
 */
async function checkCallers(stage: Stage): Promise<void> {
  for (const [turnId, { caller, replica }] of stage.attached) {
    const afterStreamSeq = caller.events.at(-1)?.streamSeq ?? 0n;
    const told = replica.isDead
      ? new Attached(stage.at(0), { turnId }, { afterStreamSeq })
      : caller;
    const ended = await told.ended;
    const { rows } = await stage.world.db.query<{ state: number }>(
      `SELECT coalesce(h.state, t.state)::int AS state FROM turns t
       LEFT JOIN turns h ON t.state = ${TurnState.COALESCED} AND h.turn_id = t.into_turn_id
       WHERE t.turn_id = $1`,
      [turnId],
    );
    expect(ended.state).toBe(rows[0]?.state);
  }
}

test("whatever is done to a lane, in whatever order: every turn ends once, in order, and its callers are told", async () => {
  await using world = await World.start(server);
  const first = await world.replica();
  await applyMain(first);
  await first.stop();
  let runs = 0;
  await fc.assert(
    fc.asyncProperty(commands, fc.scheduler(), async (all, scheduler) => {
      runs += 1;
      const stage = new Stage(world, scheduler, `agent:main:model-${runs}`);
      try {
        await stage.drive(Promise.all([stage.start(0), stage.start(1)]));
        const work = all.map((command, place) =>
          stage.turn(command.do).then(() => perform(stage, command, place)),
        );
        await stage.drive(Promise.all(work));
        await stage.drive(untilEnded(stage));
        const facts: Facts = { turns: stage.turns, commands: all, cancelled: stage.cancelled };
        await stage.drive(checkLane(world.db, stage.key, facts));
        await stage.drive(checkCallers(stage));
      } finally {
        await stage.stop();
      }
    }),
    { numRuns: 12, seed: 20_240_611, endOnFailure: true },
  );
});
