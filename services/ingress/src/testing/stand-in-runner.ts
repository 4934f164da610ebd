import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs, durationMs } from "@bufbuild/protobuf/wkt";
import {
  type AttachTurnRequest,
  type AwaitTurnRequest,
  RunnerService,
  type SubmitTurnRequest,
} from "@lanekeeper/protocol/lanekeeper/runner/v1/runner_service";
import {
  Disposition,
  type LaneSchema,
  TurnState,
} from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import {
  type CallContext,
  Code,
  LanekeeperError,
  notFound,
  type Routes,
  RpcError,
} from "@lanekeeper/rpc";
import { partialRoutes } from "./partial-routes.ts";
import { StandInTurn } from "./stand-in-turn.ts";

/** What becomes of a turn that was accepted. */
export type Script = (turn: StandInTurn) => void;

/** Answers at once, in two deltas. */
export const answerHello: Script = (turn) => {
  turn.begin().say("Hello").say(", world").complete();
};

/** Leaves the turn to the test. */
export const holdTurn: Script = () => undefined;

/** Runner as far as ingress calls it, in memory. */
export class StandInRunner {
  readonly turns: StandInTurn[] = [];
  /** Those that went with their conversation. */
  readonly erased = new Set<StandInTurn>();
  readonly calls: {
    readonly method: string;
    readonly call: CallContext;
    readonly request: object;
  }[] = [];
  agentIds = ["main", "helper"];
  script: Script = answerHello;
  /** What becomes of a turn that is cancelled. */
  onCancel: Script = (turn) => {
    turn.end({ state: TurnState.CANCELLED, errorReason: "TURN_CANCELLED" });
  };
  disposition: Disposition = Disposition.STARTED;
  /** Thrown by AttachTurn and SubmitTurn instead of accepting, if set. */
  refusal: Error | undefined;
  /** Thrown by AttachTurn alone. */
  refusalOfStreams: Error | undefined;
  /** It knows no AwaitTurn. */
  isOlder = false;
  /** The next so many calls break right after acceptance, before the caller hears of it. */
  breakBeforeAccepted = 0;
  /** No turn is accepted before this resolves. */
  acceptance: Promise<void> | undefined;
  /** No caller is recorded as cut off before this resolves. */
  recording: Promise<void> | undefined;
  /** Events handed over to attachments so far. */
  told = 0;
  #break = withResolvers();

  get routes(): Routes<typeof RunnerService> {
    return partialRoutes(RunnerService, {
      attachTurn: (request, call) => this.#attach(request, call),
      awaitTurn: (request, call) => this.#await(request, call),
      submitTurn: async (request, call) => {
        this.#note("submitTurn", request, call);
        if (this.refusal !== undefined) throw this.refusal;
        await this.acceptance;
        const { turn, isNew } = this.#admit(request, call.principal);
        if (this.breakBeforeAccepted > 0) {
          this.breakBeforeAccepted -= 1;
          throw broken();
        }
        const disposition = isNew ? turn.disposition : Disposition.JOINED;
        const { turnId, position, session } = turn;
        return { turnId, disposition, position, ...(session === undefined ? {} : { session }) };
      },
      reportCutOff: async (request, call) => {
        this.#note("reportCutOff", request, call);
        await this.recording;
        return {};
      },
      findTurn: async (request, call) => {
        this.#note("findTurn", request, call);
        const turn = this.#known(request.idempotencyKey, request.fingerprint);
        if (turn !== undefined && this.erased.has(turn)) throw notFound("turn", turn.turnId);
        if (turn === undefined) throw notFound("request", request.idempotencyKey);
        const { turnId, session } = turn;
        return { turn: session ? { turnId, session } : { turnId } };
      },
      getTurn: async (request, call) => {
        this.#note("getTurn", request, call);
        return this.#named(request.turnId).stored();
      },
      listAgents: async () => ({ agents: this.agentIds.map((agentId) => ({ agentId })) }),
      getLane: async ({ sessionKey }) => ({ lane: this.#lane(sessionKey) }),
      cancelTurn: async (request, call) => {
        this.#note("cancelTurn", request, call);
        const turn = this.turns.find(({ turnId }) => turnId === request.turnId);
        if (turn?.hasEnded === false) this.onCancel(turn);
        return { turn: { turnId: request.turnId } };
      },
      listMessages: async (request, call) => {
        this.#note("listMessages", request, call);
        return { messages: [] };
      },
    });
  }

  /** The turn that was accepted last. */
  get last(): StandInTurn {
    const turn = this.turns.at(-1);
    if (turn === undefined) throw new Error("no turn was accepted");
    return turn;
  }

  /** Every open attachment breaks off, as when its replica dies. */
  breakStreams(): void {
    const { resolve } = this.#break;
    this.#break = withResolvers();
    resolve();
  }

  /** Attachments so far, streams and calls that wait. */
  attachCount(): number {
    return this.calls.filter(({ method }) => method === "attachTurn" || method === "awaitTurn")
      .length;
  }

  async #await(request: AwaitTurnRequest, call: CallContext) {
    if (this.isOlder) throw new RpcError(Code.UNIMPLEMENTED, "no such call");
    this.#note("awaitTurn", request, call);
    const { submit, wait } = request;
    if (submit === undefined || wait === undefined) throw new Error("nothing to wait for");
    const { turn, accepted } = await this.#accept({ case: "submit", value: submit }, call);
    const { broke, left } = this.#interruptions(call);
    const over = new Promise<"over">((resolve) => {
      setTimeout(resolve, durationMs(wait), "over").unref();
    });
    while (!turn.hasEnded) {
      if ((await Promise.race([turn.change, broke, left, over])) === "over") break;
    }
    const hasBegun = turn.events.some(({ event }) => event.case === "runBegun");
    const waited = hasBegun ? { waited: durationFromMs(1) } : {};
    const last = turn.events.at(-1)?.event;
    return { accepted, ...waited, ...(last?.case === "ended" ? { ended: last.value } : {}) };
  }

  async *#attach(request: AttachTurnRequest, call: CallContext) {
    this.#note("attachTurn", request, call);
    if (this.refusalOfStreams !== undefined) throw this.refusalOfStreams;
    const { turn, accepted } = await this.#accept(request.target, call);
    yield { event: { case: "accepted" as const, value: accepted } };
    yield* this.#events(turn, Number(request.afterStreamSeq), call);
  }

  async #accept(target: AttachTurnRequest["target"], call: CallContext) {
    if (this.refusal !== undefined) throw this.refusal;
    await this.acceptance;
    const { turn, isNew } = this.#target(target, call);
    if (this.breakBeforeAccepted > 0) {
      this.breakBeforeAccepted -= 1;
      throw broken();
    }
    const { turnId, position, intoTurnId, session } = turn;
    const disposition = isNew ? turn.disposition : Disposition.JOINED;
    const accepted = { turnId, disposition, position, intoTurnId };
    return { turn, accepted: session ? { ...accepted, session } : accepted };
  }

  #interruptions(call: CallContext): { broke: Promise<never>; left: Promise<never> } {
    const broke = this.#break.promise.then(() => {
      throw broken();
    });
    broke.catch(() => undefined);
    const left = new Promise<never>((_resolve, reject) => {
      call.signal.addEventListener("abort", () => reject(call.signal.reason as Error));
    });
    left.catch(() => undefined);
    return { broke, left };
  }

  async *#events(turn: StandInTurn, after: number, call: CallContext) {
    const { broke, left } = this.#interruptions(call);
    for (let index = after; ; ) {
      const event = turn.events[index];
      if (event === undefined && turn.hasEnded) return;
      if (event === undefined) await Promise.race([turn.change, broke, left]);
      else yield event;
      if (event === undefined) continue;
      index += 1;
      this.told += 1;
    }
  }

  /** Two turns always wait; what has begun and not ended runs. */
  #lane(sessionKey: string): MessageInitShape<typeof LaneSchema> {
    const active = this.turns.find(
      (turn) => turn.session?.sessionKey === sessionKey && turn.isActive,
    );
    const { turn } = active?.stored() ?? {};
    return { sessionKey, depth: 2, ...(turn === undefined ? {} : { activeTurn: turn }) };
  }

  #note(method: string, request: object, call: CallContext): void {
    this.calls.push({ method, request, call });
  }

  #target(
    target: AttachTurnRequest["target"],
    { principal }: CallContext,
  ): { turn: StandInTurn; isNew: boolean } {
    if (target.case === "submit") return this.#admit(target.value, principal);
    return { turn: this.#named(target.value ?? ""), isNew: false };
  }

  #named(turnId: string): StandInTurn {
    const turn = this.turns.find((one) => one.turnId === turnId);
    if (turn === undefined) throw notFound("turn", turnId);
    return turn;
  }

  #admit(submit: SubmitTurnRequest, principal: string): { turn: StandInTurn; isNew: boolean } {
    const known = this.#known(submit.idempotencyKey, submit.fingerprint);
    if (known !== undefined) return { turn: known, isNew: false };
    const isStateless = submit.target.case === "statelessAgentId";
    const disposition = isStateless ? Disposition.STATELESS : this.disposition;
    const turn = new StandInTurn(submit, disposition, principal);
    this.turns.push(turn);
    this.script(turn);
    return { turn, isNew: true };
  }

  #known(key: string, fingerprint: Uint8Array): StandInTurn | undefined {
    const turn = this.turns.find(({ submit }) => submit.idempotencyKey === key);
    if (turn === undefined || Buffer.compare(turn.submit.fingerprint, fingerprint) === 0)
      return turn;
    throw new LanekeeperError("IDEMPOTENCY_MISMATCH", "the key was used with other content");
  }
}

function broken(): RpcError {
  return new RpcError(Code.UNAVAILABLE, "the replica died");
}

function withResolvers(): { promise: Promise<void>; resolve: () => void } {
  let resolve = (): void => undefined;
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
