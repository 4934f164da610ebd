import { createDatabase, type Database } from "@lanekeeper/postgres";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "@lanekeeper/embedded-postgres";
import { eventually } from "@lanekeeper/testing";
import type { Link } from "./link.ts";

/** The one Postgres of the constellation, which syncs as in production and can be made to crash. */
export class DatabaseServer implements AsyncDisposable {
  readonly #dataDir: string;
  readonly #links: Link[] = [];
  #server: EmbeddedPostgres;

  private constructor(dataDir: string, server: EmbeddedPostgres) {
    this.#dataDir = dataDir;
    this.#server = server;
  }

  static async start(dataDir: string): Promise<DatabaseServer> {
    return new DatabaseServer(dataDir, await launch(dataDir));
  }

  /** Of the superuser. */
  get adminUrl(): string {
    return this.#server.url;
  }

  get home(): string {
    return this.#server.home;
  }

  /** The link leads here, also after a crash. */
  serve(link: Link): void {
    this.#links.push(link);
    link.lead(this.#server.port);
  }

  /** `pg_ctl stop -m immediate`: no checkpoint, as after a power cut; then it is started again. */
  async crash(): Promise<void> {
    const ended = new Promise<void>((resolve) => this.#server.onExit(() => resolve()));
    process.kill(this.#server.pid, "SIGQUIT");
    await ended;
    this.#server = await eventually(() => launch(this.#dataDir), {
      ...{ timeoutMs: 60_000, pollMs: 200, what: "Postgres comes back" },
    });
    for (const link of this.#links) link.lead(this.#server.port);
  }

  /** Stops it, and starts it again on what `replace` has left of its folder. */
  async replaceData(replace: () => Promise<void>): Promise<void> {
    await this.#server.stop();
    await replace();
    this.#server = await launch(this.#dataDir);
    for (const link of this.#links) link.lead(this.#server.port);
  }

  /** Ends every connection of one service. */
  async terminate(role: string): Promise<void> {
    await this.admin((db) =>
      db.query("select pg_terminate_backend(pid) from pg_stat_activity where usename = $1", [role]),
    );
  }

  async admin<T>(work: (db: Database<unknown>) => Promise<T>): Promise<T> {
    await using db = createDatabase<unknown>({
      ...{ url: this.adminUrl, poolSize: 1, applicationName: "chaos", log: () => undefined },
    });
    return await work(db);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.stop();
  }
}

function launch(dataDir: string): Promise<EmbeddedPostgres> {
  return startEmbeddedPostgres({ dataDir, log: () => undefined });
}
