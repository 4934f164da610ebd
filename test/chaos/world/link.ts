import { connect, createServer, type Server, type Socket } from "node:net";
import type { AddressInfo } from "node:net";

/** What a link does to what passes. */
export type Weather = "open" | "cut" | "delay" | "blackhole";

/** Long beside a call, short beside a deadline. */
const DELAY_MS = 300;

/**
 * A TCP proxy with an address of its own for a part whose port changes when it is started again. What
 * passes it can delay, swallow, or cut.
 */
export class Link implements AsyncDisposable {
  readonly name: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #upstream = 0;
  #weather: Weather = "open";

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
    if (weather === "cut" || wasBlack) for (const socket of this.#sockets) socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #join(inside: Socket): void {
    if (this.#weather === "cut" || this.#upstream === 0) return void inside.destroy();
    const outside = connect(this.#upstream, "127.0.0.1");
    this.#pass(inside, outside);
    this.#pass(outside, inside);
  }

  #pass(from: Socket, to: Socket): void {
    this.#sockets.add(from);
    from.setNoDelay(true);
    from.on("data", (bytes) => this.#forward(bytes, to));
    from.on("end", () => to.end());
    from.on("error", () => undefined);
    from.on("close", () => {
      this.#sockets.delete(from);
      to.destroy();
    });
  }

  #forward(bytes: Buffer, to: Socket): void {
    if (this.#weather === "blackhole" || to.destroyed) return;
    if (this.#weather !== "delay") return void to.write(bytes);
    // Timers of one length fire in the order in which they were set.
    setTimeout(() => {
      if (!to.destroyed) to.write(bytes);
    }, DELAY_MS);
  }
}
