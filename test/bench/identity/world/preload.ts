import { createWriteStream } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Database } from "@lanekeeper/postgres";
import { AGENT, rawKey, sessionId, sessionKey, TENANT } from "../names.ts";

interface Table {
  readonly name: string;
  readonly columns: string;
  readonly row: (index: number, now: string) => readonly (string | number)[];
}

/** What a first contact writes, less its line of the journal. */
const TABLES: readonly Table[] = [
  {
    name: "session_keys",
    columns: `tenant, session_key, agent_id, revision, rule_set_version, source, bind_time, session_id,
      generation, create_time, rotate_time`,
    row: (index, now) => [
      ...[TENANT, sessionKey(index), AGENT, 1, 1, "resolve", now],
      ...[sessionId(index), 1, now, now],
    ],
  },
  {
    name: "key_bindings",
    columns: `tenant, agent_id, kind, name, session_key, rule_set_version, source, first_seen_time,
      last_seen_time`,
    row: (index, now) => [
      ...[TENANT, AGENT, "raw", rawKey(index), sessionKey(index), 1, "resolve", now, now],
    ],
  },
  {
    name: "generations",
    columns: "tenant, session_key, generation, session_id, agent_id, principal, note, create_time",
    row: (index, now) => [TENANT, sessionKey(index), 1, sessionId(index), AGENT, "load", "", now],
  },
];

/** COPYs established keys straight into the service's tables, from files that the server reads. */
export async function preload(
  database: Database<unknown>,
  folder: string,
  keys: number,
): Promise<void> {
  for (const table of TABLES) await copy(database, folder, table, keys);
  await database.query(
    "insert into tenant_usage (tenant, shard, key_count, binding_count) values ($1, 0, $2, $2)",
    [TENANT, keys],
  );
  // What autovacuum would do within minutes, in the middle of a measurement.
  for (const { name } of TABLES) await database.query(`vacuum (analyze) ${name}`);
  await database.query("checkpoint");
}

async function copy(
  database: Database<unknown>,
  folder: string,
  { name, columns, row }: Table,
  keys: number,
): Promise<void> {
  const path = join(folder, `${name}.copy`);
  const now = new Date().toISOString();
  await pipeline(Readable.from(chunks(keys, (index) => row(index, now))), createWriteStream(path));
  await database.query(`copy ${name} (${columns}) from '${path}'`);
  await rm(path);
}

const ROWS_OF_A_CHUNK = 1_000;

/** No value holds a tab, a newline or a backslash, which COPY's text format would escape. */
function* chunks(keys: number, row: (index: number) => readonly (string | number)[]) {
  for (let from = 0; from < keys; from += ROWS_OF_A_CHUNK) {
    const length = Math.min(ROWS_OF_A_CHUNK, keys - from);
    yield Array.from({ length }, (_, offset) => `${row(from + offset).join("\t")}\n`).join("");
  }
}
