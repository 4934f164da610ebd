import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  type ResolveSessionRequest,
  type RotateSessionRequest,
  SessionIdentityService,
} from "@lanekeeper/protocol/lanekeeper/identity/v1/identity_service";
import { type Peer, PeerKind } from "@lanekeeper/protocol/lanekeeper/identity/v1/key";
import {
  type SessionRef,
  SessionRefSchema,
} from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import type { WatchSessionsResponseSchema } from "@lanekeeper/protocol/lanekeeper/identity/v1/watch";
import { type CallContext, invalid, LanekeeperError, notFound, type Routes } from "@lanekeeper/rpc";
import { v7 } from "./uuid.ts";
import { partialRoutes } from "./partial-routes.ts";

const WORDS: ReadonlyMap<PeerKind, string> = new Map([
  [PeerKind.GROUP, "group"],
  [PeerKind.CHANNEL, "channel"],
]);

/** Session-identity as far as ingress calls it: names become keys of one agent, in memory. */
export class StandInIdentity {
  readonly sessions = new Map<string, SessionRef>();
  /** What was asked, newest last. */
  readonly calls: {
    readonly method: string;
    readonly call: CallContext;
    readonly request: object;
  }[] = [];
  defaultAgentId = "main";
  /** Peer ids by those that they were made one with. */
  readonly same = new Map<string, string>();
  /** Thrown by RegisterEquivalence, if set. */
  equivalenceRefusal: LanekeeperError | undefined;
  readonly #rotations = new Map<string, { seen: bigint | undefined; ref: SessionRef }>();
  /** Thrown by ResolveSession, if set. */
  refusal: LanekeeperError | undefined;

  get routes(): Routes<typeof SessionIdentityService> {
    return partialRoutes(SessionIdentityService, {
      resolveSession: async (request, call) => {
        this.#note("resolveSession", request, call);
        return { session: { ref: this.#resolve(request), agentId: "main" } };
      },
      getKeyPolicies: async () => ({ defaultAgentId: this.defaultAgentId }),
      rotateSession: async (request, call) => {
        this.#note("rotateSession", request, call);
        return { rotation: { current: this.#rotate(request) } };
      },
      registerEquivalence: async (request, call) => {
        this.#note("registerEquivalence", request, call);
        if (this.equivalenceRefusal !== undefined) throw this.equivalenceRefusal;
        this.same.set(request.sameAs?.peerId ?? "", request.peer?.peerId ?? "");
        return {};
      },
      listJournal: async (request, call) => {
        this.#note("listJournal", request, call);
        return { entries: [{ sessionKey: request.sessionKey, operation: "rotate" }] };
      },
      watchSessions: (_request, call) => this.#watch(call),
    });
  }

  #note(method: string, request: object, call: CallContext): void {
    this.calls.push({ method, request, call });
  }

  #resolve(request: ResolveSessionRequest): SessionRef {
    if (this.refusal !== undefined) throw this.refusal;
    const { value } = request.name;
    if (value === undefined) throw invalid("name", "is required");
    const raw = typeof value === "string" ? value : this.#peerKey(value);
    if (raw.endsWith(":")) throw new LanekeeperError("MALFORMED_KEY", "the key ends with a colon");
    const key = raw.startsWith("agent:") ? raw : `agent:${request.agentId || "main"}:${raw}`;
    if (request.lookUpOnly && !this.sessions.has(key)) throw notFound("session", key);
    const ref = this.#at(key);
    const { expectedGeneration } = request;
    if (expectedGeneration !== 0n && expectedGeneration !== ref.generation) {
      throw new LanekeeperError("GENERATION_MISMATCH", "another generation stands there", {
        metadata: { generation: String(ref.generation) },
      });
    }
    return ref;
  }

  /** As session-identity renders peers of channels without a profile; what was made one is one. */
  #peerKey(peer: Peer): string {
    const { channel, accountId, kind, peerId, threadId } = peer;
    const same = this.same.get(peerId) ?? peerId;
    const word = WORDS.get(kind) ?? "direct";
    const parts = [channel, ...(accountId === "" ? [] : [accountId]), word, same];
    return [...parts, ...(threadId === "" ? [] : ["thread", threadId])].join(":");
  }

  #at(key: string): SessionRef {
    const known = this.sessions.get(key);
    if (known !== undefined) return known;
    const ref = create(SessionRefSchema, { sessionKey: key, sessionId: v7(), generation: 1n });
    this.sessions.set(key, ref);
    return ref;
  }

  #rotate({ sessionKey: key, requestId, precondition }: RotateSessionRequest): SessionRef {
    const before = this.sessions.get(key);
    if (before === undefined) throw notFound("session", key);
    const seen = precondition.case === "expectedGeneration" ? precondition.value : undefined;
    const recorded = this.#rotations.get(requestId);
    if (recorded !== undefined && recorded.seen !== seen) {
      throw new LanekeeperError("IDEMPOTENCY_MISMATCH", "used with other content");
    }
    if (recorded !== undefined) return recorded.ref;
    if (seen !== undefined && seen !== before.generation) {
      throw new LanekeeperError("GENERATION_MISMATCH", "another generation stands there");
    }
    const generation = before.generation + 1n;
    const ref = create(SessionRefSchema, { sessionKey: key, sessionId: v7(), generation });
    this.sessions.set(key, ref);
    this.#rotations.set(requestId, { seen, ref });
    return ref;
  }

  async *#watch(
    call: CallContext,
  ): AsyncGenerator<MessageInitShape<typeof WatchSessionsResponseSchema>> {
    for (const ref of this.sessions.values()) {
      yield { event: { case: "snapshot" as const, value: { ref } } };
    }
    yield { event: { case: "snapshotEnd" as const, value: {} }, resumeToken: "t1" };
    await new Promise((_resolve, reject) => {
      call.signal.addEventListener("abort", () => reject(call.signal.reason as Error));
    });
  }
}
