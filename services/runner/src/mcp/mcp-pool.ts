import { toJsonString } from "@bufbuild/protobuf";
import { type McpServer, McpServerSchema } from "@lanekeeper/protocol/lanekeeper/runner/v1/mcp";
import type { Clock, Log } from "@lanekeeper/service";
import { LIMITS } from "../limits.ts";
import { connectMcp, type Environment, type McpConnection } from "./mcp-connection.ts";

interface Entry {
  readonly connected: Promise<McpConnection>;
  /** Once it is connected. */
  connection: McpConnection | undefined;
  usedAtMs: number;
}

/**
 * The servers that this replica is connected to, one connection for each tenant and configuration. They
 * are connected when an agent first needs them, and again after they went away; one that could not be
 * reached is left alone for a while, so that it costs no turn more than that.
 */
export class McpPool {
  readonly #entries = new Map<string, Entry>();
  readonly #failedUntilMs = new Map<string, number>();
  readonly #env: Environment;
  readonly #clock: Pick<Clock, "monotonicMs">;
  readonly #log: Log;
  #isClosed = false;

  constructor(env: Environment, clock: Pick<Clock, "monotonicMs">, log: Log) {
    this.#env = env;
    this.#clock = clock;
    this.#log = log;
  }

  /** Undefined: it cannot be reached now, as the log of who needs it is told. */
  async connection(
    tenant: string,
    server: McpServer,
    log: Log = this.#log,
  ): Promise<McpConnection | undefined> {
    const key = keyOf(tenant, server);
    const nowMs = this.#clock.monotonicMs();
    if (this.#isClosed || (this.#failedUntilMs.get(key) ?? 0) > nowMs) return undefined;
    const entry = this.#entries.get(key) ?? this.#open(key, server);
    if (entry === undefined) {
      const why = `${LIMITS.mcpConnections} MCP servers are in use here, as many as may be`;
      log.warn({ tenant, mcp_server: server.name }, `an MCP server is not connected: ${why}`);
      return undefined;
    }
    entry.usedAtMs = nowMs;
    try {
      return await entry.connected;
    } catch (err) {
      this.#failed(key, entry);
      log.warn({ err, tenant, mcp_server: server.name }, "an MCP server cannot be reached");
      return undefined;
    }
  }

  /**
   * Another connection in place of one whose server has forgotten it, as one does that was started again;
   * whoever finds that out later gets the same. Undefined: the server cannot be reached now.
   */
  async anew(
    gone: McpConnection,
    tenant: string,
    server: McpServer,
    log: Log = this.#log,
  ): Promise<McpConnection | undefined> {
    const key = keyOf(tenant, server);
    const entry = this.#entries.get(key);
    if ((await entry?.connected.catch(() => undefined)) === gone) {
      if (entry !== undefined) this.#forget(key, entry);
      await gone.client.close().catch(() => undefined);
    }
    return this.connection(tenant, server, log);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([...this.#entries.keys()].map((key) => this.#drop(key)));
  }

  /** Undefined: there is no room. */
  #open(key: string, server: McpServer): Entry | undefined {
    if (!this.#makeRoom()) return undefined;
    const connected = connectMcp(server, this.#env, this.#clock, this.#log);
    const entry: Entry = { connected, connection: undefined, usedAtMs: 0 };
    this.#entries.set(key, entry);
    connected
      .then((connection) => {
        entry.connection = connection;
        return connection.closed;
      })
      .then(() => this.#forget(key, entry))
      .catch(() => undefined);
    return entry;
  }

  #failed(key: string, entry: Entry): void {
    this.#forget(key, entry);
    if (this.#failedUntilMs.size >= LIMITS.mcpConnections) this.#failedUntilMs.clear();
    this.#failedUntilMs.set(key, this.#clock.monotonicMs() + LIMITS.mcpRetryMs);
  }

  #forget(key: string, entry: Entry): void {
    if (this.#entries.get(key) === entry) this.#entries.delete(key);
  }

  /** Of those where nothing is asked now, the one that was not needed for longest goes. False: there is none. */
  #makeRoom(): boolean {
    if (this.#entries.size < LIMITS.mcpConnections) return true;
    const [oldest] = [...this.#entries]
      .filter(([, { connection }]) => connection?.isInUse === false)
      .toSorted(([, a], [, b]) => a.usedAtMs - b.usedAtMs);
    if (oldest === undefined) return false;
    void this.#drop(oldest[0]);
    return true;
  }

  async #drop(key: string): Promise<void> {
    const entry = this.#entries.get(key);
    this.#entries.delete(key);
    const connection = await entry?.connected.catch(() => undefined);
    await connection?.client.close().catch(() => undefined);
  }
}

function keyOf(tenant: string, server: McpServer): string {
  return `${tenant}\n${toJsonString(McpServerSchema, server)}`;
}
