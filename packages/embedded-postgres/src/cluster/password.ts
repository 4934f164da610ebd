import { randomBytes } from "node:crypto";
import { EmbeddedPostgresError } from "../errors.ts";
import { readState, writeState } from "./state-file.ts";

const FILE = "postgres-password";

/** The password of an existing database. Throws `password_missing`. */
export async function readPassword(dataDir: string): Promise<string> {
  const password = await readState(dataDir, FILE);
  if (password !== undefined && password !== "") return password;
  throw new EmbeddedPostgresError(
    "password_missing",
    `${dataDir} holds a database but not its password: restore the file ${FILE} there, or move ` +
      "the folder away to begin with an empty database.",
  );
}

/** For the superuser of the server that runs on a data dir, at this port. Throws `password_missing`. */
export async function superuserUrl(dataDir: string, port: number): Promise<string> {
  return `postgres://postgres:${await readPassword(dataDir)}@127.0.0.1:${port}/postgres`;
}

/** The password for a new database, from a file of mode 0600; 256 random bits, safe in a URL. */
export async function makePassword(dataDir: string): Promise<string> {
  const earlier = await readState(dataDir, FILE);
  if (earlier !== undefined && earlier !== "") return earlier;
  const password = randomBytes(32).toString("base64url");
  await writeState(dataDir, FILE, `${password}\n`);
  return password;
}
