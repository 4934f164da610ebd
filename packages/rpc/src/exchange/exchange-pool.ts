import type { Client } from "@grpc/grpc-js";
import type { ExchangeClientLimits } from "./exchange-client-limits.ts";
import { ExchangeLink, type LinkTransport } from "./exchange-link.ts";
import type { ExchangeShape } from "./exchange-shape.ts";
import type { ExchangeStream } from "./exchange-stream.ts";
import type { Replicas } from "./replicas.ts";

/** What the pool is told about the world. */
export interface PoolTransport {
  replicas(): Promise<Replicas>;
  connect(address: string, serverName: string | undefined): LinkTransport;
}

/** How often idle streams are looked for, as a share of the time that they may be idle. */
const IDLE_CHECKS = 4;

/**
 * One stream to each replica, used in turn. The pool only ever speeds calls up: where it has no open
 * stream to offer, the caller makes a unary call.
 */
export class ExchangePool {
  readonly #shape: ExchangeShape;
  readonly #limits: ExchangeClientLimits;
  readonly #transport: PoolTransport;
  readonly #links = new Map<string, ExchangeLink>();
  #order: ExchangeLink[] = [];
  #calls = 0;
  #refreshAtMs = 0;
  #closed = false;
  readonly #idleTimer: NodeJS.Timeout;

  constructor(shape: ExchangeShape, limits: ExchangeClientLimits, transport: PoolTransport) {
    this.#shape = shape;
    this.#limits = limits;
    this.#transport = transport;
    this.#idleTimer = setInterval(() => this.#closeIdle(), limits.idleMs / IDLE_CHECKS).unref();
  }

  /** An open stream for a request of this method, of so many bytes; undefined: make a unary call. */
  pick(name: string, bytes: number): ExchangeStream | undefined {
    if (this.#closed || !this.#shape.calls.has(name)) return undefined;
    if (bytes > this.#limits.maxRequestBytes) return undefined;
    this.#calls += 1;
    if (this.#calls <= this.#limits.warmUpCalls) return undefined;
    const nowMs = Date.now();
    if (nowMs >= this.#refreshAtMs) void this.#refresh(nowMs);
    let silent: ExchangeStream | undefined;
    for (let tried = 0; tried < this.#order.length; tried += 1) {
      const link = this.#order[(this.#calls + tried) % this.#order.length];
      const stream = link?.pick(nowMs);
      if (stream?.isSilent === false) return stream;
      silent ??= stream;
    }
    return this.hasAnswering ? undefined : silent;
  }

  /** There is a replica that is not known to be silent. */
  get hasAnswering(): boolean {
    return this.#order.some((link) => !link.isSilent);
  }

  /** A connection that leads round the replicas that are silent; undefined: none is, or all are. */
  around(): Client | undefined {
    if (!this.#order.some((link) => link.isSilent)) return undefined;
    const answering = this.#order.filter((link) => !link.isSilent);
    return answering[(this.#calls += 1) % answering.length]?.channel;
  }

  /** Asks all replicas whether they are there: true where one is silent, and another is not. */
  async hasSilent(): Promise<boolean> {
    const nowMs = Date.now();
    if (this.#order.length === 0 && !this.#closed) await this.#refresh(nowMs);
    if (this.#order.length < 2) return false;
    const there = await Promise.all(this.#order.map((link) => link.answers(nowMs)));
    return there.includes(false) && there.includes(true);
  }

  get spreadMs(): number {
    return this.#limits.spreadMs;
  }

  get silentMs(): number {
    return this.#limits.silentMs;
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#idleTimer);
    for (const link of this.#order) link.close();
    this.#order = [];
    this.#links.clear();
  }

  /** Never rejects: a name that cannot be looked up now leaves the streams as they are. */
  async #refresh(nowMs: number): Promise<void> {
    this.#refreshAtMs = nowMs + this.#limits.refreshMs;
    try {
      const { addresses, serverName } = await this.#transport.replicas();
      if (!this.#closed) this.#adopt(addresses, serverName);
    } catch {
      this.#refreshAtMs = nowMs + this.#limits.maxRedialMs;
    }
  }

  #adopt(addresses: readonly string[], serverName: string | undefined): void {
    for (const [address, link] of this.#links) {
      if (addresses.includes(address)) continue;
      link.retire();
      this.#links.delete(address);
    }
    for (const address of addresses) {
      if (this.#links.has(address)) continue;
      const transport = this.#transport.connect(address, serverName);
      this.#links.set(address, new ExchangeLink(this.#shape, this.#limits, transport));
    }
    this.#order = [...this.#links.values()];
  }

  #closeIdle(): void {
    const nowMs = Date.now();
    for (const link of this.#order) link.closeIfIdle(nowMs);
  }
}
