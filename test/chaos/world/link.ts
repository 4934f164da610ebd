import { connect, createServer, type Server, type Socket } from "node:net";
import type { AddressInfo } from "node:net";
import { CallProxy, type Mishap } from "./call-proxy.ts";

/** What a link does to what passes. */
export type Weather = "open" | "cut" | "delay" | "blackhole";

/** Long beside a call, short beside a deadline. */
const DELAY_MS = 300;

/** A connection through the link. */
interface Passage {
  /** To whoever connected, and to where the link leads. */
  readonly ends: readonly [Socket, Socket];
  /** One of the ends is gone without a word; nothing passes any more. */
  isHalfOpen: boolean;
}

/**
 * A TCP proxy with an address of its own for a part whose port changes when it is started again. What
 * passes it can delay, swallow, or cut; and where calls pass it, it can lose or repeat single ones.
 */
export class Link implements AsyncDisposable {
  readonly name: string;
  readonly #server: Server;
  readonly #passages = new Set<Passage>();
  /** What is held up on its way to a socket, in its order, which is kept also when the weather changes. */
  readonly #held = new Map<Socket, Buffer[]>();
  #upstream = 0;
  #weather: Weather = "open";
  #touched = 0;
  #calls: CallProxy | undefined;

  private constructor(name: string, server: Server) {
    this.name = name;
    this.#server = server;
    server.on("connection", (inside) => this.#join(inside));
  }

  static async open(name: string): Promise<Link> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return new Link(name, server);
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Where it leads now: for who comes past it. */
  get upstream(): number {
    return this.#upstream;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** Where it leads from now on. */
  lead(port: number): void {
    this.#upstream = port;
  }

  /** `cut` also closes what is open; a blackhole's connections are cut when it ends. */
  set weather(weather: Weather) {
    const wasBlack = this.#weather === "blackhole" && weather !== "blackhole";
    this.#weather = weather;
    for (const to of this.#held.keys()) this.#letPass(to, Infinity);
    if (weather !== "open") this.#touched = weather === "cut" ? this.#passages.size : 0;
    if (weather === "cut" || wasBlack) this.#cut();
  }

  /** What the last bad weather met: connections that were cut or refused, or pieces that it held up or swallowed. */
  get touched(): number {
    return this.#touched;
  }

  /**
   * One end of each open connection goes without a word to the other, as when a machine or the state of
   * a firewall is lost: 0 is whoever connected, 1 the other. New ones pass. Resolves to how many it were.
   */
  halfOpen(end: 0 | 1): number {
    const open = [...this.#passages].filter(({ isHalfOpen }) => !isHalfOpen);
    for (const passage of open) {
      passage.isHalfOpen = true;
      passage.ends[end].destroy();
    }
    return open.length;
  }

  /** For so long calls have a mishap. Resolves, once all of them are settled, to how many had. */
  async mislead(mishap: Mishap, random: () => number, ms: number): Promise<number> {
    await using proxy = await CallProxy.open(() => this.#upstream, mishap, random);
    this.#calls = proxy;
    this.#cut();
    await new Promise((resolve) => setTimeout(resolve, ms));
    this.#calls = undefined;
    await proxy.settled();
    return proxy.hits;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#cut();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #cut(): void {
    for (const { ends } of this.#passages) for (const socket of ends) socket.destroy();
  }

  #join(inside: Socket): void {
    const port = this.#calls?.port ?? this.#upstream;
    if (this.#weather === "cut") this.#touched += 1;
    if (this.#weather === "cut" || port === 0) return void inside.destroy();
    const outside = connect(port, "127.0.0.1");
    const passage: Passage = { ends: [inside, outside], isHalfOpen: false };
    this.#passages.add(passage);
    this.#pass(passage, inside, outside);
    this.#pass(passage, outside, inside);
  }

  #pass(passage: Passage, from: Socket, to: Socket): void {
    from.setNoDelay(true);
    from.on("data", (bytes) => {
      if (!passage.isHalfOpen) this.#forward(bytes, to);
    });
    from.on("end", () => {
      if (!passage.isHalfOpen) to.end();
    });
    from.on("error", () => undefined);
    from.on("close", () => {
      if (!passage.isHalfOpen) to.destroy();
      if (to.destroyed) this.#passages.delete(passage);
    });
  }

  #forward(bytes: Buffer, to: Socket): void {
    if (this.#weather !== "open") this.#touched += 1;
    if (this.#weather === "blackhole" || to.destroyed) return;
    if (this.#weather !== "delay") return void to.write(bytes);
    const held = this.#held.get(to) ?? [];
    this.#held.set(to, held);
    held.push(bytes);
    setTimeout(() => this.#letPass(to, 1), DELAY_MS);
  }

  #letPass(to: Socket, pieces: number): void {
    const held = this.#held.get(to) ?? [];
    for (const bytes of held.splice(0, pieces)) if (!to.destroyed) to.write(bytes);
    if (held.length === 0) this.#held.delete(to);
  }
}
