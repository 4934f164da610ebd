import { createDatabase, type Database } from "@lanekeeper/postgres";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "@lanekeeper/embedded-postgres";
import { eventually } from "@lanekeeper/testing";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Disk } from "./disk.ts";
import type { Link } from "./link.ts";

/** The one Postgres of the constellation, which syncs as in production and can be made to crash. */
export class DatabaseServer implements AsyncDisposable {
  /** A file system of its own, or why it has none. */
  readonly disk: Disk | string;
  readonly #dataDir: string;
  readonly #links: Link[] = [];
  #server: EmbeddedPostgres;

  private constructor(dataDir: string, server: EmbeddedPostgres, disk: Disk | string) {
    this.#dataDir = dataDir;
    this.#server = server;
    this.disk = disk;
  }

  /** Its data are under `folder`, on a disk of its own where that is wanted and can be had. */
  static async start(folder: string, wantsDisk: boolean): Promise<DatabaseServer> {
    const disk = wantsDisk ? await Disk.mount(folder) : "not wanted";
    const dataDir = join(typeof disk === "string" ? folder : disk.path, "postgres");
    return new DatabaseServer(dataDir, await launch(dataDir), disk);
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
    await this.#startAgain();
  }

  /**
   * For so long nothing can be written any more. Postgres may end of it, and is started again.
   *
   * @returns whether it was felt
   */
  async fillDisk(ms: number): Promise<boolean> {
    const { disk } = this;
    if (typeof disk === "string") throw new Error(disk);
    let isGone = false;
    this.#server.onExit(() => (isGone = true));
    const wasFelt = await this.#runOutOfRoom(disk);
    await sleep(ms);
    await disk.free();
    const answers = async () => isGone || (await this.admin((db) => db.query("select 1")));
    await eventually(answers, { timeoutMs: 60_000, pollMs: 200, what: "Postgres answers" });
    if (isGone) await this.#startAgain();
    return wasFelt;
  }

  /** Room that Postgres has set aside lasts for a while: a new segment of its log and a table have none. */
  #runOutOfRoom(disk: Disk): Promise<boolean> {
    return this.admin(async (db) => {
      // Who is connected stays so.
      await db.query("select 1");
      await disk.fill();
      const writing = db
        .query("select pg_switch_wal()")
        .then(() => db.query("create temp table much as select generate_series(1, 100000)"));
      return writing.then(
        () => false,
        () => true,
      );
    });
  }

  async #startAgain(): Promise<void> {
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

  /** Ends every connection of one service; gives how many it had. */
  async terminate(role: string): Promise<number> {
    const ended = await this.admin((db) =>
      db.query("select pg_terminate_backend(pid) from pg_stat_activity where usename = $1", [role]),
    );
    return ended.rows.length;
  }

  async admin<T>(work: (db: Database<unknown>) => Promise<T>): Promise<T> {
    await using db = createDatabase<unknown>({
      ...{ url: this.adminUrl, poolSize: 1, applicationName: "chaos", log: () => undefined },
    });
    return await work(db);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.stop();
    if (typeof this.disk !== "string") await this.disk[Symbol.asyncDispose]();
  }
}

function launch(dataDir: string): Promise<EmbeddedPostgres> {
  return startEmbeddedPostgres({ dataDir, log: () => undefined });
}
