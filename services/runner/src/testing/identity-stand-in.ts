import { durationFromMs, durationMs } from "@bufbuild/protobuf/wkt";
import { SessionIdentityService } from "@lanekeeper/protocol/lanekeeper/identity/v1/identity_service";
import type { RotateSessionRequest } from "@lanekeeper/protocol/lanekeeper/identity/v1/identity_service";
import type {
  BeginRunRequest,
  WriteLifecycleRequest,
} from "@lanekeeper/protocol/lanekeeper/identity/v1/lifecycle";
import {
  type Rotation,
  RotationReason,
  type Session,
  type SessionRef,
} from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import {
  allowAll,
  type GrpcServer,
  LanekeeperError,
  notFound,
  type Routes,
  serveGrpc,
  service,
  serviceTokenAuthenticator,
  storeUnavailable,
} from "@lanekeeper/rpc";
import { ErasuresStandIn, type StoodErasure } from "./erasures-stand-in.ts";
import {
  type ActiveRun,
  deliverable,
  busy,
  type EndedRun,
  holding,
  type KeyRow,
  newRow,
  renew,
  runEnded,
  sessionOf,
} from "./identity-row.ts";

/** What watchers are told. */
interface Change {
  readonly tenant: string;
  readonly event:
    | { readonly case: "changed"; readonly value: Session }
    | {
        readonly case: "merged";
        readonly value: { readonly sessionKey: string; readonly survivorSessionKey: string };
      };
}

type Answer = Awaited<ReturnType<Routes<typeof SessionIdentityService>["beginRun"]>>;

/** session-identity as far as the runner calls it: the fences in memory, over real gRPC. */
export class IdentityStandIn implements AsyncDisposable {
  /** Answers nothing but UNAVAILABLE while set. */
  isDown = false;
  /** Fences were raised: what is new was minted from then on, in ms since 1970. */
  runIdsFromMs = 0;
  /** Awaited after a run was granted its key and before the runner hears of it. */
  beforeBeginAnswer: (() => Promise<void>) | undefined;
  /** A run of this key has ended, and nobody has been told yet. */
  afterEnded: ((sessionKey: string) => void) | undefined;
  /** Every `ended` that was accepted first, in order. */
  readonly endings: {
    readonly runId: string;
    readonly turnId: string;
    readonly outcome: number;
    readonly errorMessage: string;
  }[] = [];
  readonly erasures = new ErasuresStandIn();
  readonly granted: { readonly runId: string; readonly turnId: string }[] = [];

  /** Turns whose runs were refused a key that another run held. */
  readonly foundBusy: string[] = [];
  readonly #keys = new Map<string, KeyRow>();
  readonly #gone = new Set<string>();
  readonly #begun = new Map<string, Answer>();
  readonly #rotated = new Map<string, { fence: object; rotation: Rotation }>();
  readonly #ended = new Map<string, EndedRun>();
  readonly #watchers = new Set<(change: Change) => void>();
  readonly #secret: string;
  #server: GrpcServer | undefined;

  constructor(secret: string) {
    this.#secret = secret;
  }

  get target(): string {
    return this.#server?.address ?? "";
  }

  async start(): Promise<this> {
    this.#server = await serveGrpc({
      services: [
        service({
          desc: SessionIdentityService,
          routes: this.#routes(),
          allow: allowAll(SessionIdentityService, "runner"),
          tenantless: ["watchSessions", "listErasuresToDo"],
        }),
      ],
      host: "127.0.0.1",
      port: 0,
      authenticator: serviceTokenAuthenticator(this.#secret),
    });
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server?.drain({ timeoutMs: 0 });
  }

  /** Who stands under a key now; reserved on first contact. */
  ref(tenant: string, sessionKey: string): SessionRef {
    return sessionOf(this.#key(tenant, sessionKey)).ref as SessionRef;
  }

  /** Rotates as an operator does: whoever holds the key has lost it. */
  rotate(
    tenant: string,
    sessionKey: string,
    options: {
      readonly parentSessionId?: string;
      readonly skipsQueued?: boolean;
      readonly reason?: RotationReason;
    } = {},
  ): SessionRef {
    const row = this.#key(tenant, sessionKey);
    const { reason = RotationReason.RESET } = options;
    renew(row, options.parentSessionId ?? "", reason, "");
    if (reason === RotationReason.RESET) row.oldestDeliverable = row.generation;
    if (options.skipsQueued === true) row.oldestRunnable = row.generation;
    row.active = undefined;
    this.#told(tenant, row);
    return this.ref(tenant, sessionKey);
  }

  /** Another run took the key and went: whoever held it has lost it. */
  takeAway(tenant: string, sessionKey: string): void {
    const row = this.#key(tenant, sessionKey);
    row.epoch += 1n;
    row.active = undefined;
  }

  /** Begins the erasure of a conversation, which is reset. */
  erase(tenant: string, sessionKey: string): StoodErasure {
    const { generation } = this.#key(tenant, sessionKey);
    this.rotate(tenant, sessionKey, { skipsQueued: true });
    return this.erasures.add(tenant, [{ sessionKey, throughGeneration: generation }]);
  }

  /** Merges a key into another. */
  move(tenant: string, sessionKey: string, survivor: string): void {
    this.#key(tenant, survivor);
    this.#key(tenant, sessionKey).movedTo = survivor;
  }

  /** Merges a young session's key into another's, as where two spellings turn out to be one peer. */
  absorb(tenant: string, sessionKey: string, survivor: string, isHeard = true): void {
    const [loser, into] = [this.#key(tenant, sessionKey), this.#key(tenant, survivor)];
    const last = { sessionId: loser.sessionId, intoSessionId: into.sessionId };
    into.absorbed.push(...loser.absorbed, last);
    this.move(tenant, sessionKey, survivor);
    const value = { sessionKey, survivorSessionKey: survivor };
    if (isHeard) this.#tell({ tenant, event: { case: "merged", value } });
  }

  /** A key that was minted goes after its retention: no name leads to it again. */
  forget(tenant: string, sessionKey: string): void {
    this.#keys.delete(`${tenant}\n${sessionKey}`);
    this.#gone.add(`${tenant}\n${sessionKey}`);
  }

  /** All leases run out, as after a pause of the whole world. */
  expireLeases(): void {
    for (const { active } of this.#keys.values()) {
      if (active !== undefined) expire(active);
    }
  }

  /** The lease of the run that holds a key runs out. */
  expireLease(tenant: string, sessionKey: string): void {
    const { active } = this.#key(tenant, sessionKey);
    if (active !== undefined) expire(active);
  }

  /** Heartbeats that the key's runs were granted. */
  progressOf(tenant: string, sessionKey: string): number {
    return this.#key(tenant, sessionKey).progress;
  }

  /** The run that holds a key. */
  holder(tenant: string, sessionKey: string): string | undefined {
    return this.#key(tenant, sessionKey).active?.runId;
  }

  #key(tenant: string, sessionKey: string): KeyRow {
    const at = `${tenant}\n${sessionKey}`;
    const found = this.#keys.get(at);
    if (found !== undefined) return found;
    if (this.#gone.has(at)) throw notFound("session", sessionKey);
    const row = newRow(sessionKey);
    this.#keys.set(at, row);
    return row;
  }

  #told(tenant: string, row: KeyRow): void {
    this.#tell({ tenant, event: { case: "changed", value: sessionOf(row) } });
  }

  #tell(change: Change): void {
    for (const tell of this.#watchers) tell(change);
  }

  #routes(): Routes<typeof SessionIdentityService> {
    const never = async (): Promise<never> => {
      throw new Error("the stand-in does not answer this");
    };
    return {
      resolveSession: async (request, { tenant }) => {
        this.#refuseWhenDown();
        const name = request.name.case === "rawKey" ? request.name.value : "";
        const key = name.startsWith("agent:") ? name : `agent:${request.agentId || "main"}:${name}`;
        const row = this.#key(tenant, key);
        return { session: sessionOf(row.movedTo === "" ? row : this.#key(tenant, row.movedTo)) };
      },
      beginRun: async (request, { tenant }) => {
        const answer = this.#begin(tenant, request);
        await this.beforeBeginAnswer?.();
        return answer;
      },
      writeLifecycle: async (request, { tenant }) => this.#write(tenant, request),
      checkFence: async (request, { tenant }) => {
        this.#refuseWhenDown();
        const { writer } = request;
        const row = this.#key(tenant, writer.value?.session?.sessionKey ?? "");
        if (writer.case === "reply") deliverable(row, writer.value);
        else holding(row, writer.value);
        return { session: sessionOf(row) };
      },
      getSession: async (request, { tenant }) => {
        this.#refuseWhenDown();
        const { session } = request;
        const rows = [...this.#keys.entries()].filter(([at]) => at.startsWith(`${tenant}\n`));
        const found = rows.find(
          ([, row]) =>
            (session.case === "sessionKey" ? row.sessionKey : row.sessionId) === session.value,
        );
        if (found !== undefined) return { session: sessionOf(found[1]) };
        for (const [, row] of rows) {
          const rotation = row.rotations.find(
            ({ current }) => current?.sessionId === session.value,
          );
          if (rotation !== undefined) return { session: sessionOf(row), rotation };
        }
        throw notFound("session", session.value ?? "");
      },
      listRotations: async ({ sessionKey }, { tenant }) => ({
        rotations: this.#key(tenant, sessionKey).rotations.slice(0, 1),
      }),
      watchSessions: (_request, call) => this.#watch(call.signal),
      normalizeKey: never,
      explainKey: never,
      rotateSession: async (request, { tenant }) => this.#compact(tenant, request),
      listSessions: never,
      listJournal: never,
      registerKey: never,
      registerEquivalence: never,
      registerAlias: never,
      removeAlias: never,
      linkPeer: never,
      mergeSessions: never,
      applyKeyPolicies: never,
      getKeyPolicies: never,
      raiseFences: never,
      eraseKey: never,
      getErasure: never,
      listErasures: never,
      listErasuresToDo: async (request) => {
        this.#refuseWhenDown();
        return this.erasures.toDo(request);
      },
      reportErasure: async (request, { tenant }) => {
        this.#refuseWhenDown();
        return this.erasures.report(tenant, request);
      },
      async *exchange() {},
    };
  }

  async *#watch(signal: AbortSignal) {
    const pending: Change[] = [];
    let wake = (): void => undefined;
    const tell = (change: Change): void => {
      pending.push(change);
      wake();
    };
    this.#watchers.add(tell);
    signal.addEventListener("abort", () => wake(), { once: true });
    try {
      for (;;) {
        for (const change of pending.splice(0)) yield { ...change, resumeToken: "1" };
        await new Promise<void>((resolve) => {
          wake = resolve;
          if (pending.length > 0 || signal.aborted) resolve();
        });
        signal.throwIfAborted();
      }
    } finally {
      this.#watchers.delete(tell);
    }
  }

  #refuseWhenDown(): void {
    if (this.isDown) throw storeUnavailable("the stand-in is down");
  }

  #begin(tenant: string, request: BeginRunRequest): Answer {
    this.#refuseWhenDown();
    const { runId, turnId, sessionKey } = request;
    const row = this.#key(tenant, sessionKey);
    if (this.#ended.has(runId)) throw runEnded(this.#ended.get(runId));
    const before = this.#begun.get(runId);
    if (before !== undefined) return before;
    if (row.movedTo !== "") throw new LanekeeperError("KEY_MOVED", "merged");
    if (request.requiredGeneration !== 0n && request.requiredGeneration !== row.generation) {
      throw new LanekeeperError("GENERATION_MISMATCH", "another generation stands there");
    }
    if (request.admittedGeneration < row.oldestRunnable) {
      throw new LanekeeperError("TURN_SKIPPED", "a rotation told queued turns to be skipped");
    }
    const { admittedGeneration: generation, admittedSessionId: id } = request;
    const isNow = generation === row.generation && id === row.sessionId;
    if (generation >= row.generation && !isNow) {
      throw new LanekeeperError("GENERATION_MISMATCH", `another session than ${id} stands there`);
    }
    if (row.active !== undefined && row.active.leaseUntilMs > performance.now()) {
      this.foundBusy.push(turnId);
      throw busy(row.active);
    }
    if (timeOf(runId) < this.runIdsFromMs) throw perhapsBegun(this.runIdsFromMs);
    const leaseMs = durationMs(request.leaseDuration ?? durationFromMs(15_000));
    row.epoch += 1n;
    row.active = {
      runId,
      turnId,
      epoch: row.epoch,
      generations: [row.generation],
      leaseUntilMs: performance.now() + leaseMs,
      isOver: false,
    };
    const fence = { session: sessionOf(row).ref as SessionRef, runId, runEpoch: row.epoch };
    const answer = { fence, leaseDuration: durationFromMs(leaseMs), session: sessionOf(row) };
    this.#begun.set(runId, answer);
    this.granted.push({ runId, turnId });
    this.#told(tenant, row);
    return answer;
  }

  /** The owner's: its run stays, and holds the new generation too. */
  #compact(tenant: string, { requestId, sessionKey, precondition, note }: RotateSessionRequest) {
    this.#refuseWhenDown();
    const row = this.#key(tenant, sessionKey);
    const before = this.#rotated.get(requestId);
    if (before !== undefined) return before;
    const owner = precondition.case === "owner" ? precondition.value : undefined;
    const active = holding(row, owner);
    renew(row, row.sessionId, RotationReason.COMPACTION, note);
    active.generations.push(row.generation);
    const fence = {
      session: sessionOf(row).ref as SessionRef,
      runId: active.runId,
      runEpoch: active.epoch,
    };
    const answer = { fence, rotation: row.rotations[0] as Rotation };
    this.#rotated.set(requestId, answer);
    this.#told(tenant, row);
    return answer;
  }

  #write(tenant: string, request: WriteLifecycleRequest) {
    this.#refuseWhenDown();
    const fence = request.writer.case === "run" ? request.writer.value : undefined;
    const row = this.#key(tenant, fence?.session?.sessionKey ?? "");
    const ended = this.#ended.get(fence?.runId ?? "");
    const { event } = request;
    if (ended !== undefined) {
      if (event.case === "ended" && event.value.outcome === ended.outcome) return { applied: true };
      throw runEnded(ended);
    }
    const active = holding(row, fence);
    if (event.case === "ended") {
      const { outcome, errorMessage } = event.value;
      this.#ended.set(active.runId, { outcome, sessionKey: row.sessionKey });
      this.endings.push({ runId: active.runId, turnId: active.turnId, outcome, errorMessage });
      row.active = undefined;
      this.afterEnded?.(row.sessionKey);
      return { applied: true };
    }
    if (event.case === "progress") row.progress += 1;
    const begun = this.#begun.get(active.runId);
    const leaseMs = durationMs(
      (begun?.leaseDuration ?? durationFromMs(0)) as ReturnType<typeof durationFromMs>,
    );
    if (!active.isOver) active.leaseUntilMs = performance.now() + leaseMs;
    return { applied: true, leaseDuration: durationFromMs(leaseMs) };
  }
}

function expire(active: ActiveRun): void {
  active.leaseUntilMs = 0;
  // A renewal that a killed replica had sent may still arrive.
  active.isOver = true;
}

function timeOf(runId: string): number {
  return Number.parseInt(runId.slice(0, 8) + runId.slice(9, 13), 16);
}

function perhapsBegun(fromMs: number): LanekeeperError {
  const metadata = { run_ids_from: new Date(fromMs).toISOString() };
  return new LanekeeperError("RUN_ENDED", "it may have begun in what is lost", { metadata });
}
