import {
  ReplyState,
  type WriteLifecycleRequest,
} from "@lanekeeper/protocol/lanekeeper/identity/v1/lifecycle";
import { SessionIdentityService } from "@lanekeeper/protocol/lanekeeper/identity/v1/identity_service";
import { StaleFenceSchema } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import type { WatchSessionsRequest } from "@lanekeeper/protocol/lanekeeper/identity/v1/watch";
import {
  allowAll,
  errorDetail,
  type CallContext,
  type GrpcServer,
  LanekeeperError,
  notFound,
  type Routes,
  type ServerStreamHandler,
  serveGrpc,
  service,
  serviceTokenAuthenticator,
} from "@lanekeeper/rpc";
import type {
  WatchSessionsRequestSchema,
  WatchSessionsResponseSchema,
} from "@lanekeeper/protocol/lanekeeper/identity/v1/watch";
import { ErasuresStandIn } from "./erasures-stand-in.ts";

type Watch = ServerStreamHandler<
  typeof WatchSessionsRequestSchema,
  typeof WatchSessionsResponseSchema
>;

/** One reply event that the stand-in accepted. */
export interface SeenEvent {
  readonly tenant: string;
  readonly deliveryId: string;
  readonly eventSeq: bigint;
  /** `sending 1`, or `settled` and the number of the ReplyState. */
  readonly event: string;
}

/** session-identity, as far as delivery calls it, over real gRPC. */
export class IdentityStandIn implements AsyncDisposable {
  /** In order of acceptance; a repeat is no second event. */
  readonly events: SeenEvent[] = [];
  /** Calls to WatchSessions, with the tenant that each showed. */
  readonly watches: { readonly request: WatchSessionsRequest; readonly tenant: string }[] = [];
  /** Called before each `sending` is judged. */
  beforeSending: (deliveryId: string) => Promise<void> | void = () => undefined;
  watch: Watch = async function* () {};
  /** Replies of generations below it are stale. */
  oldestDeliverable = 1n;
  /** What GetSession tells of any key that is not gone. */
  currentGeneration = 1n;
  readonly gone = new Set<string>();
  /** Fences that were looked at without writing. */
  readonly checked: string[] = [];
  readonly erasures = new ErasuresStandIn();
  /** Peers that were made one: `<agent> <peer> = <same as>`. */
  readonly equivalences: string[] = [];
  /** Called before each is taken; what it throws is the answer. */
  beforeEquivalence: () => void = () => undefined;
  readonly #secret: string;
  #server: GrpcServer | undefined;
  #port = 0;

  constructor(secret: string) {
    this.#secret = secret;
  }

  get target(): string {
    return `127.0.0.1:${this.#port}`;
  }

  /** Comes up at the port that it had. */
  async start(): Promise<void> {
    this.#server = await serveGrpc({
      services: [
        service({
          desc: SessionIdentityService,
          routes: this.#routes(),
          allow: allowAll(SessionIdentityService, "delivery"),
          tenantless: ["watchSessions", "listErasuresToDo"],
        }),
      ],
      host: "127.0.0.1",
      port: this.#port,
      authenticator: serviceTokenAuthenticator(this.#secret),
    });
    this.#port = this.#server.port;
  }

  /** As `kill -9` does: nobody listens at the port any more. */
  async stop(): Promise<void> {
    await this.#server?.drain({ timeoutMs: 0 });
    this.#server = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  /** The events of one delivery. */
  of(deliveryId: string): string[] {
    return this.events.filter((seen) => seen.deliveryId === deliveryId).map(({ event }) => event);
  }

  #routes(): Routes<typeof SessionIdentityService> {
    const notServed = SessionIdentityService.methods.map((method) => [
      method.localName,
      () => Promise.reject(new Error(`${method.name} is not served by the stand-in`)),
    ]);
    return {
      ...(Object.fromEntries(notServed) as Routes<typeof SessionIdentityService>),
      getSession: async ({ session }) => {
        const sessionKey = session.case === "sessionKey" ? session.value : "";
        if (this.gone.has(sessionKey)) throw notFound("session", sessionKey);
        const generation = this.currentGeneration;
        return { session: { ref: { sessionKey, sessionId: CURRENT_SESSION_ID, generation } } };
      },
      checkFence: async ({ writer }) => {
        if (writer.case !== "reply") throw new Error("delivery asks for replies alone");
        this.checked.push(writer.value.turnId);
        this.#judge(writer.value.session?.generation);
        return {};
      },
      writeLifecycle: async (request, call) => this.#write(request, call),
      registerEquivalence: async ({ agentId, peer, sameAs }) => {
        this.beforeEquivalence();
        this.equivalences.push(`${agentId} ${peer?.peerId} = ${sameAs?.peerId}`);
        return {};
      },
      listErasuresToDo: async (request) => this.erasures.list(request),
      reportErasure: async (request, { tenant }) => this.erasures.report(request, tenant),
      watchSessions: (request, call) => {
        this.watches.push({ request, tenant: call.tenant });
        return this.watch(request, call);
      },
    };
  }

  /** As session-identity tells it beside IDEMPOTENCY_MISMATCH. */
  #recorded(deliveryId: string): Record<string, string> {
    const numberOf = (word: string): number =>
      Number(
        this.of(deliveryId)
          .findLast((event) => event.startsWith(word))
          ?.split(" ")[1],
      );
    return {
      recorded_state: enumName(ReplyState, numberOf("settled")),
      recorded_attempt: String(numberOf("sending")),
      recorded_provider_message_id: "",
    };
  }

  #judge(generation = 0n): void {
    if (generation >= this.oldestDeliverable) return;
    const current = { session: { generation: this.currentGeneration } };
    throw new LanekeeperError("STALE_GENERATION", "the session was reset", {
      details: [errorDetail(StaleFenceSchema, { current })],
    });
  }

  async #write(
    { writer, eventSeq, event }: WriteLifecycleRequest,
    { tenant }: CallContext,
  ): Promise<{ applied: boolean }> {
    if (writer.case !== "reply") throw new Error("delivery writes for replies alone");
    const { deliveryId, session } = writer.value;
    if (event.case === "sending") await this.beforeSending(deliveryId);
    const known = this.events.find(
      (seen) => seen.deliveryId === deliveryId && seen.eventSeq === eventSeq,
    );
    const text = textOf(event);
    if (known !== undefined && known.event === text) return { applied: true };
    if (known !== undefined) {
      const metadata = this.#recorded(deliveryId);
      throw new LanekeeperError("IDEMPOTENCY_MISMATCH", `${eventSeq} was ${known.event}`, {
        metadata,
      });
    }
    if (event.case === "sending") this.#judge(session?.generation);
    this.events.push({ tenant, deliveryId, eventSeq, event: text });
    return { applied: true };
  }
}

/** Of the session that stands under every key now. */
const CURRENT_SESSION_ID = "01900000-0000-7000-8000-0000000000aa";

function textOf(event: WriteLifecycleRequest["event"]): string {
  if (event.case === "sending") return `sending ${event.value.attempt}`;
  if (event.case === "settled") return `settled ${event.value.state}`;
  throw new Error(`delivery does not write ${event.case ?? "nothing"}`);
}

function enumName(values: Readonly<Record<string, number>>, wanted: number): string {
  return Object.entries(values).find(([, value]) => value === wanted)?.[0] ?? "";
}
