import {
  type EmbeddedPostgres,
  type ServerExit,
  startEmbeddedPostgres,
} from "@lanekeeper/embedded-postgres";
import { backoffMs, systemClock } from "@lanekeeper/service";
import { tryListen } from "../ports/free-port.ts";

export interface EmbeddedDatabaseOptions {
  readonly dataDir: string;
  readonly tell: (line: string) => void;
  /** Undefined: as the server's own configuration has it. */
  readonly maxConnections: number | undefined;
  /** Calls a start off. */
  readonly stopping: AbortSignal;
  /** A server was begun: it runs, though it may not be ready for minutes. */
  readonly spawned: (pid: number) => void;
  /** The server is there, with this pid, or (undefined) it is not. */
  readonly changed: (pid: number | undefined) => void;
  /** It came back at another port: the old one was taken meanwhile. */
  readonly moved: () => void;
}

const RESTART = { baseMs: 200, maxMs: 5_000 };
/** A dead server's last backends may hold its port for a moment. */
const PORT_WAIT_MS = 10_000;
const POLL_MS = 100;

/** The embedded Postgres server, started again should it die, at the same port. */
export class EmbeddedDatabase implements AsyncDisposable {
  readonly #options: EmbeddedDatabaseOptions;
  #server: EmbeddedPostgres;
  #restarting: Promise<void> = Promise.resolve();
  #closed = false;

  private constructor(server: EmbeddedPostgres, options: EmbeddedDatabaseOptions) {
    this.#options = options;
    this.#server = server;
    this.#adopt(server);
  }

  /** @throws EmbeddedPostgresError, whose message says what to do */
  static async start(options: EmbeddedDatabaseOptions): Promise<EmbeddedDatabase> {
    return new EmbeddedDatabase(await startServer(options), options);
  }

  /** For the superuser. */
  get url(): string {
    return this.#server.url;
  }

  get port(): number {
    return this.#server.port;
  }

  get pid(): number {
    return this.#server.pid;
  }

  get version(): string {
    return this.#server.version;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    await this.#restarting;
    await this.#server.stop();
    this.#options.changed(undefined);
  }

  #adopt(server: EmbeddedPostgres): void {
    this.#server = server;
    this.#options.changed(server.pid);
    server.onExit((exit) => {
      if (this.#closed || exit.expected) return;
      this.#options.changed(undefined);
      this.#restarting = this.#restart(exit);
    });
  }

  async #restart(exit: ServerExit): Promise<void> {
    const { tell, stopping, moved } = this.#options;
    const how =
      exit.signal === null ? `ended with code ${exit.code}` : `was ended by ${exit.signal}`;
    tell(`Postgres ${how}: starting it again`);
    const port = this.port;
    await untilFree(port, stopping);
    for (let attempt = 0; !this.#closed && !stopping.aborted; attempt += 1) {
      try {
        this.#adopt(await startServer(this.#options));
        tell(`Postgres started again (pid ${this.pid}, port ${this.port})`);
        if (this.port !== port) moved();
        return;
      } catch (error) {
        this.#options.changed(undefined);
        tell(`Postgres does not start: ${error instanceof Error ? error.message : String(error)}`);
        await pause(RESTART.baseMs + backoffMs(attempt, RESTART), stopping);
      }
    }
  }
}

function startServer({
  dataDir,
  tell,
  stopping,
  spawned,
  maxConnections,
}: EmbeddedDatabaseOptions): Promise<EmbeddedPostgres> {
  return startEmbeddedPostgres({
    dataDir,
    log: tell,
    signal: stopping,
    spawned,
    ...(maxConnections === undefined ? {} : { maxConnections }),
  });
}

async function untilFree(port: number, stopping: AbortSignal): Promise<void> {
  const deadline = performance.now() + PORT_WAIT_MS;
  while (!stopping.aborted && performance.now() < deadline) {
    if (typeof (await tryListen("127.0.0.1", port)) === "number") return;
    await pause(POLL_MS, stopping);
  }
}

/** Ends early when the signal is aborted. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await systemClock.sleep(ms, signal).catch(() => undefined);
}
