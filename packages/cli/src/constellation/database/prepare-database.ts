import { createHmac } from "node:crypto";
import { fileURLToPath } from "node:url";
import { migrate, provisionService } from "@lanekeeper/postgres";
import { SERVICE_NAMES, type ServiceName, type Settings } from "@lanekeeper/service";
import type { Database, ServiceUrls } from "./database.ts";
import type { Credentials } from "../folder/secrets.ts";

export interface PrepareOptions {
  readonly database: Pick<Database, "adminUrl">;
  readonly settings: Settings;
  readonly credentials: Pick<Credentials, "clusterSecret">;
  readonly tell: (line: string) => void;
  /** Told of each schema, once it is up to date. */
  readonly migrated?: (schema: MigratedSchema) => void;
}

/** A service's schema as a migration left it. */
export interface MigratedSchema {
  readonly service: ServiceName;
  readonly schema: string;
  readonly version: number;
  /** File names, in the order in which they were applied; none: it was up to date. */
  readonly applied: readonly string[];
}

/** As each service has it (a test compares); loading a service to ask it would cost a start a second. */
const SCHEMA: Readonly<Record<ServiceName, string>> = {
  "session-identity": "lanekeeper_identity",
  runner: "lanekeeper_runner",
  delivery: "lanekeeper_delivery",
  ingress: "lanekeeper_ingress",
};

/** The schema of a service, which is also its role. */
export function schemaOf(service: ServiceName): string {
  return SCHEMA[service];
}

/** The folder of a service's migrations. */
export function migrationsOf(service: ServiceName): string {
  return fileURLToPath(new URL(`../../../../../services/${service}/migrations`, import.meta.url));
}

/**
 * Gives each service its role and its schema and brings the schema up to date. A service that has a
 * database URL of its own keeps it: its role is somebody else's business, its schema is migrated.
 */
export async function prepareDatabase(options: PrepareOptions): Promise<ServiceUrls> {
  const urls: [ServiceName, string][] = [];
  for (const name of SERVICE_NAMES) urls.push([name, await prepareService(name, options)]);
  return Object.fromEntries(urls) as ServiceUrls;
}

async function prepareService(service: ServiceName, options: PrepareOptions): Promise<string> {
  const { settings } = options;
  const url =
    settings.services[service].ownDatabaseUrl?.reveal() ?? (await provision(service, options));
  await migrateSchema(service, { url }, options);
  return url;
}

/**
 * Brings the schemas up to date on a server whose services run, and leaves their roles as they are: a
 * role's password follows from the cluster secret, which those services may have from elsewhere.
 */
export async function migrateBeside(
  options: Pick<PrepareOptions, "database" | "settings" | "tell" | "migrated">,
): Promise<void> {
  const { database, settings } = options;
  for (const name of SERVICE_NAMES) {
    const own = settings.services[name].ownDatabaseUrl?.reveal();
    const asOwner = { url: database.adminUrl(), role: schemaOf(name) };
    await migrateSchema(name, own === undefined ? asOwner : { url: own }, options);
  }
}

async function migrateSchema(
  service: ServiceName,
  as: { readonly url: string; readonly role?: string },
  { tell, migrated }: Pick<PrepareOptions, "tell" | "migrated">,
): Promise<void> {
  const schema = schemaOf(service);
  const directory = migrationsOf(service);
  const { applied, version } = await migrate({ ...as, schema, directory, log: tell });
  if (applied.length === 0) tell(`${schema}: at version ${version}`);
  migrated?.({ service, schema, version, applied });
}

async function provision(service: ServiceName, options: PrepareOptions): Promise<string> {
  const name = schemaOf(service);
  const provisioned = await provisionService({
    adminUrl: options.database.adminUrl(),
    service,
    role: name,
    schema: name,
    password: rolePassword(name, options.credentials.clusterSecret),
  });
  if (provisioned.notice !== undefined) options.tell(provisioned.notice);
  return provisioned.url;
}

/** What a service connects with where it has a role of its own, made from any URL of the server. */
export function roleUrl(serverUrl: string, service: ServiceName, clusterSecret: string): string {
  const url = new URL(serverUrl);
  url.username = schemaOf(service);
  url.password = rolePassword(schemaOf(service), clusterSecret);
  return url.toString();
}

/** The same at every start and on every machine that knows the secret, and stored nowhere. */
function rolePassword(role: string, clusterSecret: string): string {
  return createHmac("sha256", clusterSecret)
    .update(`lanekeeper postgres role ${role}`)
    .digest("base64url");
}
