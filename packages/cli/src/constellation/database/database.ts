import { SERVICE_NAMES, type ServiceName, type Settings } from "@lanekeeper/service";
import type { DataDir } from "../folder/data-dir.ts";
import { EmbeddedDatabase } from "./embedded-database.ts";

/** The Postgres of a constellation: the embedded server, or the one that DATABASE_URL names. */
export interface Database extends AsyncDisposable {
  /** For the account that provisions and migrates. */
  adminUrl(): string;
  /** Undefined where the server is not ours. */
  readonly server: { readonly pid: number; readonly port: number } | undefined;
  /** One phrase for people. */
  readonly about: string;
}

export interface DatabaseOptions {
  readonly settings: Settings;
  readonly dir: DataDir;
  readonly tell: (line: string) => void;
  readonly stopping: AbortSignal;
  readonly spawned: (pid: number) => void;
  readonly changed: (pid: number | undefined) => void;
  readonly moved: () => void;
}

/** True where every service, or all together, have a Postgres of somebody else's. */
export function isExternal(settings: Settings): boolean {
  if (settings.databaseUrl !== undefined) return true;
  return SERVICE_NAMES.every((name) => settings.services[name].ownDatabaseUrl !== undefined);
}

/** What a new embedded server takes, which is enough for pools of 8. */
const USUAL_CONNECTIONS = 200;

/**
 * How many connections larger pools ask for: two replicas of each service, whose pools have together six for each
 * of LANEKEEPER_POOL_SIZE, and as many for people and tools as 200 leave at 8. With fewer, requests would
 * fail under load that smaller pools bear. Undefined: what is there is enough.
 */
function connectionsFor(poolSize: number): number | undefined {
  const wanted = 12 * poolSize + 104;
  return wanted > USUAL_CONNECTIONS ? wanted : undefined;
}

/** @throws EmbeddedPostgresError */
export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  const { settings, dir, tell, stopping, spawned, changed, moved } = options;
  if (isExternal(settings)) return externalDatabase(settings);
  const server = await EmbeddedDatabase.start({
    dataDir: dir.postgres,
    maxConnections: connectionsFor(settings.poolSize),
    tell,
    stopping,
    spawned,
    changed,
    moved,
  });
  return {
    adminUrl: () => server.url,
    get server() {
      return { pid: server.pid, port: server.port };
    },
    about: `embedded Postgres ${server.version} on port ${server.port}`,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

function externalDatabase({ databaseUrl, services }: Settings): Database {
  const url = databaseUrl ?? services["session-identity"].ownDatabaseUrl;
  const text = url?.reveal() ?? "";
  return {
    adminUrl: () => text,
    server: undefined,
    about: `Postgres at ${new URL(text).host}`,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/** The URL that a service was given, at the port where the embedded server now listens. */
export function atPort(url: string, server: { readonly port: number } | undefined): string {
  if (server === undefined) return url;
  const moved = new URL(url);
  moved.port = String(server.port);
  return moved.toString();
}

/** A URL for each service. */
export type ServiceUrls = Readonly<Record<ServiceName, string>>;
