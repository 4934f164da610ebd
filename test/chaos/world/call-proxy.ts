import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { answerLost, relayAnswer, swallow, wholeRequest } from "./call-relay.ts";
import { FrameMishaps, framesOf } from "./frame-mishaps.ts";

/** What becomes of a call on its way. */
export type Mishap =
  | "the request is lost"
  | "the reply is lost, the call took effect"
  | "the request comes twice"
  /** Past leases, and past many a reset; also when its caller has gone. */
  | "the request comes late";

/** How many of the calls have it. */
const SHARE = 0.3;

/** Longer than the leases of the constellation. */
const LATE_MS = { least: 2_200, more: 1_500 };

/** Whatever answers later than this does not answer. */
const SETTLED_MS = 12_000;

/** A proxy that knows gRPC: its calls have mishaps one by one, also those that are frames of an Exchange. */
export class CallProxy implements AsyncDisposable {
  readonly #server: Http2Server;
  readonly #upstream: () => number;
  readonly #mishap: Mishap;
  readonly #random: () => number;
  readonly #sessions = new Map<ServerHttp2Session, ClientHttp2Session>();
  readonly #underWay = new Set<Promise<unknown>>();
  #hits = 0;

  private constructor(upstream: () => number, mishap: Mishap, random: () => number) {
    this.#server = createServer();
    this.#upstream = upstream;
    this.#mishap = mishap;
    this.#random = random;
    this.#server.on("session", (session) => this.#join(session));
    this.#server.on("stream", (stream, headers) => this.#pass(stream, headers));
    this.#server.on("sessionError", () => undefined);
  }

  static async open(
    upstream: () => number,
    mishap: Mishap,
    random: () => number,
  ): Promise<CallProxy> {
    const proxy = new CallProxy(upstream, mishap, random);
    await new Promise<void>((resolve) => proxy.#server.listen(0, "127.0.0.1", resolve));
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Calls that had it. */
  get hits(): number {
    return this.#hits;
  }

  /** Resolves when what came late or twice has been answered, or nobody answers. */
  async settled(): Promise<void> {
    const over = new AbortController();
    const bound = sleep(SETTLED_MS, undefined, { signal: over.signal }).catch(() => undefined);
    const all = async () => {
      while (this.#underWay.size > 0) await Promise.all(this.#underWay);
    };
    await Promise.race([all(), bound]);
    over.abort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const [session, upstream] of this.#sessions) {
      session.destroy();
      upstream.destroy();
    }
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #join(session: ServerHttp2Session): void {
    const upstream = this.#connect();
    this.#sessions.set(session, upstream);
    session.on("error", () => undefined);
    session.on("close", () => {
      this.#sessions.delete(session);
      // What came late goes on without its caller.
      upstream.close();
    });
    upstream.on("close", () => session.destroy());
    upstream.on("goaway", () => session.close());
  }

  #connect(): ClientHttp2Session {
    const upstream = connect(`http://127.0.0.1:${this.#upstream()}`);
    upstream.on("error", () => undefined);
    return upstream;
  }

  #pass(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    stream.on("error", () => undefined);
    const session = this.#sessions.get(stream.session as ServerHttp2Session);
    if (session === undefined || session.destroyed) {
      return stream.close(constants.NGHTTP2_REFUSED_STREAM);
    }
    const frames = framesOf(headers[":path"]);
    if (frames !== undefined) {
      this.#passFrames(stream, session.request(headers), frames);
    } else if (this.#isHit()) {
      this.#track(this.#mishandle(stream, headers, session));
    } else {
      const answer = session.request(headers);
      stream.pipe(answer);
      relayAnswer(answer, stream);
    }
  }

  #isHit(): boolean {
    const isHit = this.#random() < SHARE;
    if (isHit) this.#hits += 1;
    return isHit;
  }

  #track(work: Promise<unknown>): void {
    const tracked = work
      .catch(() => undefined)
      .finally(() => {
        this.#underWay.delete(tracked);
      });
    this.#underWay.add(tracked);
  }

  #lateMs(): number {
    return LATE_MS.least + this.#random() * LATE_MS.more;
  }

  async #mishandle(
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    session: ClientHttp2Session,
  ): Promise<void> {
    const body = await wholeRequest(stream);
    const send = (over: ClientHttp2Session): ClientHttp2Stream => {
      const answer = over.request(headers);
      answer.end(body);
      return answer;
    };
    switch (this.#mishap) {
      case "the request is lost":
        return answerLost(stream, this.#random() < 0.5);
      case "the reply is lost, the call took effect":
        await swallow(send(session));
        return answerLost(stream, this.#random() < 0.5);
      case "the request comes twice":
        relayAnswer(send(session), stream);
        return swallow(send(session));
      case "the request comes late": {
        await sleep(this.#lateMs());
        if (!stream.destroyed && !session.destroyed) return relayAnswer(send(session), stream);
        const later = this.#connect();
        await swallow(send(later));
        return later.close();
      }
    }
  }

  #passFrames(
    stream: ServerHttp2Stream,
    answer: ClientHttp2Stream,
    frames: NonNullable<ReturnType<typeof framesOf>>,
  ): void {
    const mishaps = new FrameMishaps(frames, this.#mishap, {
      isHit: () => this.#isHit(),
      lateMs: () => this.#lateMs(),
      track: (work) => this.#track(work),
      send: (bytes) => {
        if (!answer.destroyed && !answer.writableEnded) answer.write(bytes);
      },
    });
    stream.on("data", (bytes: Buffer) => mishaps.request(bytes));
    stream.on("end", () => answer.end());
    relayAnswer(answer, stream, (bytes) => mishaps.response(bytes));
  }
}
