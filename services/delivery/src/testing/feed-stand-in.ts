import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationMs } from "@bufbuild/protobuf/wkt";
import type {
  WatchSessionsRequest,
  WatchSessionsResponseSchema,
} from "@lanekeeper/protocol/lanekeeper/identity/v1/watch";
import { type CallContext, LanekeeperError } from "@lanekeeper/rpc";

type Message = MessageInitShape<typeof WatchSessionsResponseSchema>;

interface Change {
  readonly tenant: string;
  readonly key: string;
  readonly revision: bigint;
  readonly mergedInto?: string;
}

/** Steps before it are told whole, and so many changes of its own. */
interface Place {
  readonly step: number;
  readonly within: number;
}

/**
 * The history of session states as session-identity tells it: steps of changes, tokens that are good
 * at boundaries and between, positions, and an end once told where that is asked for.
 */
export class FeedStandIn {
  readonly #steps: Change[][] = [];
  readonly #wakers = new Set<() => void>();
  #history = 1;
  /** Followers are told of a step when this lets them: so the feed lags behind what is read. */
  beforeStep: (step: number) => Promise<void> = async () => undefined;
  /** A read that has told what stands ends when this lets it: so it is behind the feed. */
  beforeEnd: () => Promise<void> = async () => undefined;
  /** Called for each call, before it tells anything. */
  onCall: (request: WatchSessionsRequest, call: CallContext) => void = () => undefined;

  /** Changes that are committed together; gives the last one's revision. */
  commit(...changes: readonly Omit<Change, "revision">[]): void {
    const known = this.#steps.flat();
    const step: Change[] = [];
    for (const change of changes) {
      const of = [...known, ...step].filter(
        ({ tenant, key }) => tenant === change.tenant && key === change.key,
      );
      step.push({ ...change, revision: BigInt(of.length + 1) });
    }
    this.#steps.push(step);
    for (const wake of this.#wakers) wake();
  }

  /** As `lanekeeper fence raise` does: no token of before is good any more. */
  raise(): void {
    this.#history += 1;
    for (const wake of this.#wakers) wake();
  }

  async *watch(request: WatchSessionsRequest, call: CallContext): AsyncGenerator<Message> {
    this.onCall(request, call);
    const { resumeToken, untilToken, skipSnapshot, stopWhenTold } = request;
    const history = this.#history;
    const now = { step: this.#steps.length, within: 0 };
    let place = resumeToken === "" ? now : this.#parse(resumeToken);
    if (resumeToken === "" && !skipSnapshot) yield* this.#snapshot(request, call, now);
    if (resumeToken === "" && skipSnapshot) yield this.#bookmark(now);
    const end = untilToken === "" ? now : this.#parse(untilToken);
    yield* this.#between(request, call, place, end);
    if (resumeToken !== "" && (stopWhenTold || untilToken !== "")) yield this.#bookmark(end);
    if (stopWhenTold) await this.beforeEnd();
    if (stopWhenTold || untilToken !== "") return;
    for (place = end; ; ) {
      if (this.#history !== history) throw expired();
      if (this.#steps.length === place.step) {
        if (!(await this.#woken(request, call.signal))) yield this.#bookmark(place);
        continue;
      }
      await this.beforeStep(place.step);
      const next = { step: place.step + 1, within: 0 };
      for (const told of [...this.#between(request, call, place, next)].map(
        lastIs(this.#mark(next)),
      )) {
        yield told;
      }
      place = next;
    }
  }

  *#snapshot(request: WatchSessionsRequest, call: CallContext, now: Place): Generator<Message> {
    const latest = new Map<string, Change>();
    for (const change of this.#steps.flat()) latest.set(`${change.tenant} ${change.key}`, change);
    for (const change of latest.values()) {
      if (isWanted(change, request, call)) {
        yield { event: { case: "snapshot", value: stateOf(change) } };
      }
    }
    yield { event: { case: "snapshotEnd", value: {} }, ...this.#mark(now) };
  }

  *#between(
    request: WatchSessionsRequest,
    call: CallContext,
    from: Place,
    to: Place,
  ): Generator<Message> {
    for (let { step, within } = from; step < to.step; step += 1, within = 0) {
      for (const [index, change] of (this.#steps[step] ?? []).entries()) {
        if (index < within || !isWanted(change, request, call)) continue;
        const tenant = call.tenant === "" ? change.tenant : "";
        const mark = { ...this.#mark({ step, within: index + 1 }), isBoundary: false };
        yield { event: eventOf(change), tenant, ...mark };
      }
    }
  }

  #bookmark(place: Place): Message {
    return { event: { case: "bookmark", value: {} }, ...this.#mark(place) };
  }

  #mark({ step, within }: Place) {
    const resumeToken = `${this.#history}/${step}/${within}`;
    return { resumeToken, position: BigInt(step), isBoundary: true };
  }

  #parse(token: string): Place {
    const [history, step = 0, within = 0] = token.split("/").map(Number);
    if (history !== this.#history) throw expired();
    return { step, within };
  }

  /** False: nothing came for as long as was asked for. */
  #woken({ bookmarkInterval }: WatchSessionsRequest, signal: AbortSignal): Promise<boolean> {
    signal.throwIfAborted();
    return new Promise((resolve) => {
      const ms = bookmarkInterval === undefined ? 15_000 : durationMs(bookmarkInterval);
      const timer = setTimeout(() => done(false), ms);
      const wake = (): void => done(true);
      const done = (isWoken: boolean): void => {
        clearTimeout(timer);
        this.#wakers.delete(wake);
        signal.removeEventListener("abort", wake);
        resolve(isWoken);
      };
      this.#wakers.add(wake);
      signal.addEventListener("abort", wake, { once: true });
    });
  }
}

/** The last message of a step leaves nothing of it to tell. */
function lastIs(mark: object) {
  return (message: Message, index: number, all: readonly Message[]): Message =>
    index === all.length - 1 ? { ...message, ...mark } : message;
}

function expired(): LanekeeperError {
  return new LanekeeperError("RESUME_TOKEN_EXPIRED", "of another history");
}

function isWanted(
  { tenant, key }: Change,
  { agentId, sessionKeyPrefix }: WatchSessionsRequest,
  call: CallContext,
): boolean {
  if (call.tenant !== "" && call.tenant !== tenant) return false;
  return (
    key.startsWith(sessionKeyPrefix) && (agentId === "" || key.startsWith(`agent:${agentId}:`))
  );
}

function stateOf({ key: sessionKey, revision }: Change) {
  return { ref: { sessionKey, sessionId: "", generation: revision }, revision };
}

function eventOf(change: Change): NonNullable<Message["event"]> {
  const { key: sessionKey, mergedInto, revision } = change;
  if (mergedInto === undefined) return { case: "changed", value: stateOf(change) };
  return { case: "merged", value: { sessionKey, survivorSessionKey: mergedInto, revision } };
}
