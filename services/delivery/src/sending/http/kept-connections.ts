import type { Limits } from "../../limits.ts";
import { Connection } from "./connection.ts";
import type { Pinned } from "./connect.ts";

/**
 * Connections to receivers, kept for a moment after each post. One is used again only where the name
 * leads, when it is resolved for the next post, to the address that the connection goes to.
 */
export class KeptConnections {
  readonly #limits: Pick<Limits, "keptConnections" | "keptConnectionMs">;
  /** The one that was used last is the last. */
  readonly #idle = new Set<Connection>();
  readonly #byOrigin = new Map<string, Connection[]>();

  constructor(limits: Pick<Limits, "keptConnections" | "keptConnectionMs">) {
    this.#limits = limits;
  }

  /** Idle ones; for tests. */
  get size(): number {
    return this.#idle.size;
  }

  /** A new one, which comes back by itself when its post is over. */
  made(url: URL, pinned: Pinned): Connection {
    const options = {
      idleMs: this.#limits.keptConnectionMs,
      onFree: (connection: Connection) => this.#keep(connection),
    };
    const made = new Connection(url, pinned, options);
    made.onClose(() => this.#remove(made));
    return made;
  }

  /** One that stands to one of these addresses, and that nobody else has meanwhile. */
  take({ origin }: URL, addresses: readonly string[]): Connection | undefined {
    const found = this.#byOrigin
      .get(origin)
      ?.findLast((one) => one.isOpen && addresses.includes(one.address));
    if (found !== undefined) this.#remove(found);
    return found;
  }

  close(): void {
    for (const connection of this.#idle) connection.close();
  }

  /** Its answer has been read to the end. */
  #keep(connection: Connection): void {
    if (!connection.isOpen) return;
    this.#idle.add(connection);
    const { origin } = connection;
    const others = this.#byOrigin.get(origin);
    if (others === undefined) this.#byOrigin.set(origin, [connection]);
    else others.push(connection);
    const [oldest] = this.#idle;
    if (this.#idle.size > this.#limits.keptConnections) oldest?.close();
  }

  #remove(connection: Connection): void {
    if (!this.#idle.delete(connection)) return;
    const { origin } = connection;
    const left = this.#byOrigin.get(origin)?.filter((one) => one !== connection) ?? [];
    if (left.length === 0) this.#byOrigin.delete(origin);
    else this.#byOrigin.set(origin, left);
  }
}
