import type pg from "pg";
import { withClient } from "../connections/client.ts";
import { urlForRole } from "../connections/connection-url.ts";
import { sqlState } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { type SqlName, parseSqlName, quoted } from "./sql-name.ts";

export type ProvisionOptions = {
  /** Of a role that may create schemas, and roles if services are to have their own. */
  adminUrl: string;
  /** For notices: the service's name. */
  service: string;
  role: string;
  /** Set at every call. Printable ASCII. */
  password: string;
  schema: string;
};

export type Provisioned = {
  /** What the service connects with. */
  url: string;
  /** The role behind that URL, which owns the schema. */
  role: string;
  /** True when that is the administrator's role, because it may not create others. */
  shared: boolean;
  /** A sentence for the operator when something is not as isolated as it could be. */
  notice?: string;
};

/**
 * Gives a service its role and its schema, which nobody else may use. Can be repeated, and run by several
 * processes at once. Where the administrator's role lacks CREATEROLE, or the schema already belongs
 * to another role, that role is used and `notice` says so.
 */
export async function provisionService(options: ProvisionOptions): Promise<Provisioned> {
  const role = parseSqlName(options.role);
  const schema = parseSqlName(options.schema);
  return withClient(options.adminUrl, "lanekeeper-provision", (client) =>
    // Another database of the same server may be provisioned at the same moment.
    repeatedly(() => provision(client, options, role, schema)),
  );
}

async function provision(
  client: pg.Client,
  options: ProvisionOptions,
  role: SqlName,
  schema: SqlName,
): Promise<Provisioned> {
  await client.query("BEGIN");
  try {
    await client.query("SELECT pg_advisory_xact_lock(hashtext('lanekeeper.provision'))");
    const admin = await whoAmI(client);
    const reason = await reasonToShare(client, admin, role, schema);
    const provisioned =
      reason === undefined
        ? await provisionOwn(client, options, admin, role, schema)
        : await provisionShared(client, options, admin, schema, reason);
    await client.query("COMMIT");
    return provisioned;
  } catch (error) {
    await client.query("ROLLBACK");
    throw error;
  }
}

type Admin = { name: string; superuser: boolean; createRole: boolean };

async function whoAmI(client: pg.Client): Promise<Admin> {
  const { rows } = await client.query<Admin>(
    `SELECT rolname AS name, rolsuper AS superuser, rolsuper OR rolcreaterole AS "createRole"
     FROM pg_roles WHERE rolname = current_user`,
  );
  const [admin] = rows;
  if (admin === undefined) throw new Error("the server does not know the role of the URL");
  return admin;
}

async function reasonToShare(
  client: pg.Client,
  admin: Admin,
  role: SqlName,
  schema: SqlName,
): Promise<string | undefined> {
  if (!admin.createRole) return `the role ${admin.name} lacks CREATEROLE`;
  const owner = await schemaOwner(client, schema);
  if (owner === undefined || owner === role) return undefined;
  return `the schema ${schema} already belongs to ${owner}`;
}

async function schemaOwner(client: pg.Client, schema: SqlName): Promise<string | undefined> {
  const { rows } = await client.query<{ owner: string }>(
    "SELECT pg_get_userbyid(nspowner)::text AS owner FROM pg_namespace WHERE nspname = $1",
    [schema],
  );
  return rows[0]?.owner;
}

async function provisionShared(
  client: pg.Client,
  { adminUrl, service }: ProvisionOptions,
  admin: Admin,
  schema: SqlName,
  reason: string,
): Promise<Provisioned> {
  await ensureSchema(client, schema, undefined);
  return {
    url: adminUrl,
    role: admin.name,
    shared: true,
    notice: `${service} uses the database role ${admin.name}, not one of its own, since ${reason}`,
  };
}

async function provisionOwn(
  client: pg.Client,
  { adminUrl, password }: ProvisionOptions,
  admin: Admin,
  role: SqlName,
  schema: SqlName,
): Promise<Provisioned> {
  await ensureRole(client, admin, role, password);
  await ensureSchema(client, schema, role);
  return { url: urlForRole(adminUrl, role, password), role, shared: false };
}

async function ensureRole(
  client: pg.Client,
  admin: Admin,
  role: SqlName,
  password: string,
): Promise<void> {
  if (!/^[\x21-\x7e]+$/.test(password)) throw new Error("a role's password is printable ASCII");
  const { rows } = await client.query<{ superuser: boolean }>(
    "SELECT rolsuper AS superuser FROM pg_roles WHERE rolname = $1",
    [role],
  );
  if (role === admin.name || rows[0]?.superuser) {
    throw new Error(`${role} is an administrator's role; a service needs a name of its own`);
  }
  if (rows.length === 0) await client.query(`CREATE ROLE ${quoted(role)}`);
  // Not hashed here: some hosted servers take only the plain password, to hash it themselves.
  await client.query(`ALTER ROLE ${quoted(role)} LOGIN PASSWORD ${client.escapeLiteral(password)}`);
  await client.query(
    `ALTER ROLE ${quoted(role)} SET idle_in_transaction_session_timeout = ${LIMITS.idleInTransactionTimeoutMs}`,
  );
  // One who is no superuser must be a member to give the role a schema, and to migrate as it.
  if (!admin.superuser) await client.query(`GRANT ${quoted(role)} TO CURRENT_USER`);
}

async function ensureSchema(
  client: pg.Client,
  schema: SqlName,
  owner: SqlName | undefined,
): Promise<void> {
  if ((await schemaOwner(client, schema)) === undefined) {
    const authorization = owner === undefined ? "" : ` AUTHORIZATION ${quoted(owner)}`;
    await client.query(`CREATE SCHEMA ${quoted(schema)}${authorization}`);
  }
  if (owner !== undefined) await client.query(`REVOKE ALL ON SCHEMA ${quoted(schema)} FROM PUBLIC`);
}

async function repeatedly<Result>(attempt: () => Promise<Result>): Promise<Result> {
  for (let number = 1; ; number += 1) {
    try {
      return await attempt();
    } catch (error) {
      if (!isConcurrentChange(error) || number >= LIMITS.provisionAttempts) throw error;
    }
  }
}

/** What two who create or alter the same role at once are told. */
function isConcurrentChange(error: unknown): boolean {
  const state = sqlState(error);
  if (state === "XX000") return /concurrently/.test((error as Error).message);
  // duplicate_object, duplicate_schema, unique_violation
  return state === "42710" || state === "42P06" || state === "23505";
}
