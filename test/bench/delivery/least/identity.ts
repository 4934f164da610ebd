// The fence alone: a step of a reply locks its key's row, is judged by it, and is written with its line of the
// journal, in one statement and one commit for all steps of a moment.
import { byPlace } from "@lanekeeper/postgres";
import { serveJobs } from "../../shared/worker.ts";
import { serveLines } from "../../shared/least/lines.ts";
import { grouped, openDatabase } from "../../shared/least/statements.ts";
import type { Step } from "./calls.ts";

const url = process.env["BENCH_DATABASE_URL"] ?? "";
const db = openDatabase(url, 4);

const STEPS = {
  name: "least_steps",
  text: `
WITH step AS MATERIALIZED (
  SELECT * FROM unnest($1::text[], $2::uuid[], $3::int[], $4::text[])
    WITH ORDINALITY AS s (key, id, generation, state, place)
), held AS MATERIALIZED (
  SELECT k.key, k.oldest FROM least.keys k JOIN (SELECT DISTINCT key FROM step) w USING (key)
  ORDER BY k.key FOR NO KEY UPDATE OF k
), taken AS MATERIALIZED (
  SELECT step.* FROM step JOIN held USING (key) WHERE step.generation >= held.oldest
), reply AS (
  INSERT INTO least.replies (id, key, generation, state) SELECT id, key, generation, state FROM taken
  ON CONFLICT (id) DO UPDATE SET state = excluded.state
), line AS (
  INSERT INTO least.journal (key, reply, state, request_id, trace_id, at)
  SELECT key, id, state, id::text, id::text, clock_timestamp() FROM taken
)
SELECT place::int FROM taken`,
};

const steps = grouped(
  async (asked: readonly Step[]): Promise<readonly boolean[]> => {
    const { rows } = await db.query<{ place: number }>(STEPS, [
      asked.map(({ key }) => key),
      asked.map(({ id }) => id),
      asked.map(({ generation }) => generation),
      asked.map(({ state }) => state),
    ]);
    return byPlace(rows, asked.length).map((row) => row !== undefined);
  },
  ({ key }) => key,
);

const server = await serveLines((step: Step) => steps.submit(step));
serveJobs({
  hello: server.port,
  run: () => Promise.resolve(undefined),
  close: () => {
    server.close();
    void db.close();
  },
});
