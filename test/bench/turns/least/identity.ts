// Who stands under a key, and the fence alone: a run's begin or end locks its key's row, is judged by it, changes
// it, and is written with its line of the journal, in one statement and one commit for all of a moment.
import { byPlace } from "@lanekeeper/postgres";
import { serveLines } from "../../shared/least/lines.ts";
import { grouped, openDatabase } from "../../shared/least/statements.ts";
import { serveJobs } from "../../shared/worker.ts";
import type { Step, Stood } from "./calls.ts";

const db = openDatabase(process.env["BENCH_DATABASE_URL"] ?? "", 4);

const RESOLVE = {
  name: "least_resolve",
  text: `
SELECT w.place::int, k.session, k.generation FROM unnest($1::text[]) WITH ORDINALITY AS w (key, place)
JOIN least.keys k USING (key)`,
};

type Session = Exclude<Stood, boolean>;

const resolves = grouped(async (keys: readonly string[]): Promise<readonly Session[]> => {
  const { rows } = await db.query<Session & { place: number }>(RESOLVE, [keys]);
  const found = byPlace(rows, keys.length);
  return keys.map((key, index) => found[index] ?? unknown(key));
});

function unknown(key: string): never {
  throw new Error(`nobody stands under ${key}`);
}

const STEPS = {
  name: "least_steps",
  text: `
WITH step AS MATERIALIZED (
  SELECT * FROM unnest($1::text[], $2::int[], $3::uuid[], $4::uuid[], $5::text[])
    WITH ORDINALITY AS s (key, generation, turn, run, state, place)
), held AS MATERIALIZED (
  SELECT k.key, k.generation, k.run, k.lease_until FROM least.keys k JOIN step USING (key)
  ORDER BY k.key FOR NO KEY UPDATE OF k
), taken AS MATERIALIZED (
  SELECT step.* FROM step JOIN held USING (key)
  WHERE step.generation = held.generation AND CASE step.state
    WHEN 'begin' THEN held.run IS NULL OR held.lease_until < clock_timestamp() ELSE held.run = step.run END
), key AS (
  UPDATE least.keys k SET run = CASE taken.state WHEN 'begin' THEN taken.run END,
    lease_until = clock_timestamp() + interval '30 s'
  FROM taken WHERE k.key = taken.key
), line AS (
  INSERT INTO least.journal (key, turn, run, state, request_id, trace_id, at)
  SELECT key, turn, run, state, turn::text, turn::text, clock_timestamp() FROM taken
)
SELECT place::int FROM taken`,
};

type Written = Exclude<Step, { kind: "resolve" }>;

const writes = grouped(
  async (asked: readonly Written[]): Promise<readonly boolean[]> => {
    const { rows } = await db.query<{ place: number }>(STEPS, [
      asked.map(({ key }) => key),
      asked.map(({ generation }) => generation),
      asked.map(({ turn }) => turn),
      asked.map(({ run }) => run),
      asked.map(({ kind }) => kind),
    ]);
    return byPlace(rows, asked.length).map((row) => row !== undefined);
  },
  ({ key }) => key,
);

const server = await serveLines<Step>((step) =>
  step.kind === "resolve" ? resolves.submit(step.key) : writes.submit(step),
);
serveJobs({
  hello: server.port,
  run: () => Promise.resolve(undefined),
  close: () => {
    server.close();
    void db.close();
  },
});
