import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  type ResolveSessionRequest,
  SessionIdentityService,
} from "@lanekeeper/protocol/lanekeeper/identity/v1/identity_service";
import {
  type SessionRef,
  SessionRefSchema,
} from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import type { WatchSessionsResponseSchema } from "@lanekeeper/protocol/lanekeeper/identity/v1/watch";
import { type CallContext, invalid, LanekeeperError, notFound, type Routes } from "@lanekeeper/rpc";
import { v7 } from "./uuid.ts";
import { partialRoutes } from "./partial-routes.ts";

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
        return { rotation: { current: this.#rotate(request.sessionKey) } };
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
    const raw = request.name.value;
    if (typeof raw !== "string") throw invalid("name", "only raw keys are played");
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

  #at(key: string): SessionRef {
    const known = this.sessions.get(key);
    if (known !== undefined) return known;
    const ref = create(SessionRefSchema, { sessionKey: key, sessionId: v7(), generation: 1n });
    this.sessions.set(key, ref);
    return ref;
  }

  #rotate(key: string): SessionRef {
    const before = this.sessions.get(key);
    if (before === undefined) throw notFound("session", key);
    const generation = before.generation + 1n;
    const ref = create(SessionRefSchema, { sessionKey: key, sessionId: v7(), generation });
    this.sessions.set(key, ref);
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
