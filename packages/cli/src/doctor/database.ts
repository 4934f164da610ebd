import { checkSchema, createDatabase, SchemaVersionError } from "@lanekeeper/postgres";
import { SERVICE_NAMES, type ServiceName, type Settings } from "@lanekeeper/service";
import { atPort } from "../constellation/database/database.ts";
import { migrationsOf, roleUrl, schemaOf } from "../constellation/database/prepare-database.ts";
import type { ConstellationState } from "../constellation/folder/state-file.ts";
import { type Finding, note, ok, problem } from "./finding.ts";
import { lookAtKeys, lookAtLanes } from "./rows.ts";

export interface DatabaseInput {
  readonly settings: Settings;
  readonly clusterSecret: string | undefined;
  /** What runs on the data dir. */
  readonly state: ConstellationState | undefined;
}

/** Reachable, with the rights it needs, and at the versions of this release. */
export async function lookAtDatabase(input: DatabaseInput): Promise<Finding[]> {
  const { settings, state, clusterSecret } = input;
  if (settings.databaseUrl !== undefined) {
    const admin = await lookAtAdmin(settings.databaseUrl.reveal());
    if (admin.some(({ verdict }) => verdict === "problem")) return admin;
    return [...admin, ...(await lookAtSchemas(input))];
  }
  if (state?.postgres === undefined || clusterSecret === undefined) {
    return [ok("postgres", "embedded: started by lanekeeper start")];
  }
  return lookAtSchemas(input);
}

async function lookAtAdmin(url: string): Promise<Finding[]> {
  await using database = open(url);
  try {
    const { rows } = await database.query<{ role: string; can: boolean; version: string }>(
      `SELECT rolname AS role, rolsuper OR rolcreaterole AS can, current_setting('server_version') AS version
       FROM pg_roles WHERE rolname = current_user`,
    );
    const { role = "", can = false, version = "" } = rows[0] ?? {};
    const found = ok("postgres", `${version} at ${new URL(url).host}, as ${role}`);
    if (can) return [found];
    return [
      found,
      note(
        "postgres",
        `the role ${role} lacks CREATEROLE: the services share it instead of having one each`,
      ),
    ];
  } catch (error) {
    return [problem("postgres", `DATABASE_URL cannot be used: ${text(error)}.`)];
  }
}

/** What is stored is looked at only where all of it is of this release. */
async function lookAtSchemas(input: DatabaseInput): Promise<Finding[]> {
  const schemas = await Promise.all(SERVICE_NAMES.map((service) => lookAtSchema(service, input)));
  if (schemas.some(({ verdict }) => verdict === "problem")) return schemas;
  return [...schemas, ...(await lookAtRows(input))];
}

async function lookAtRows(input: DatabaseInput): Promise<Finding[]> {
  await using identity = openSchema("session-identity", input);
  await using runner = openSchema("runner", input);
  return [...(await lookAtKeys(identity)), ...(await lookAtLanes(runner, identity))];
}

async function lookAtSchema(service: ServiceName, input: DatabaseInput): Promise<Finding> {
  const schema = schemaOf(service);
  await using database = openSchema(service, input);
  try {
    await checkSchema({ db: database, schema, directory: migrationsOf(service) });
    return ok("schema", `${schema} is at the version of this release`);
  } catch (error) {
    if (error instanceof SchemaVersionError) return problem("schema", `${error.message}.`);
    return problem("schema", `${schema} cannot be read: ${text(error)}.`);
  }
}

function urlOf(service: ServiceName, { settings, state, clusterSecret }: DatabaseInput): string {
  const { ownDatabaseUrl } = settings.services[service];
  const admin = settings.databaseUrl ?? ownDatabaseUrl;
  if (admin !== undefined) return admin.reveal();
  return atPort(
    roleUrl("postgres://127.0.0.1/postgres", service, clusterSecret ?? ""),
    state?.postgres,
  );
}

function openSchema(service: ServiceName, input: DatabaseInput) {
  return open(urlOf(service, input), schemaOf(service));
}

function open(url: string, schema?: string) {
  return createDatabase({
    url,
    ...(schema === undefined ? {} : { schema }),
    poolSize: 1,
    applicationName: "lanekeeper-doctor",
    log: () => undefined,
  });
}

function text(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
