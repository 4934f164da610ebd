import { type Batcher, byPlace, type Database, UNHURRIED } from "@lanekeeper/postgres";
import { grouped } from "../../shared/least/statements.ts";
import type { Asked } from "./calls.ts";

/** A turn and the run that it has, or would have. */
export interface Turn extends Asked {
  readonly run: string;
}

/** With the answer that its run gives. */
export interface Answered {
  readonly turn: Turn;
  readonly reply: string;
}

/** The statements of a turn, each in groups. */
export interface Steps {
  /** True: the lane was free, and is the turn's. */
  readonly admit: Batcher<Turn, boolean>;
  readonly activate: Batcher<Turn, true>;
  /** The last messages of a session. */
  readonly recent: Batcher<string, readonly string[]>;
  readonly prepare: Batcher<Answered, true>;
  /** How many wait in the lane, which is free or has another to run. */
  readonly finish: Batcher<Answered, number>;
  /** The head of a lane that was left to us. */
  readonly claim: Batcher<string, Turn | undefined>;
}

const RECENT_MESSAGES = 16;

const ADMIT = {
  name: "least_admit",
  text: `
WITH item AS MATERIALIZED (
  SELECT * FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::int[], $5::text[], $6::uuid[])
    WITH ORDINALITY AS i (id, key, session, generation, input, run, place)
), held AS MATERIALIZED (
  SELECT l.*, l.turn IS NULL AND l.depth = 0 AS is_free FROM least.lanes l JOIN item USING (key)
  ORDER BY l.key FOR NO KEY UPDATE OF l
), lane AS (
  UPDATE least.lanes l SET last_seq = held.last_seq + 1,
    depth = held.depth + CASE WHEN held.is_free THEN 0 ELSE 1 END,
    turn = CASE WHEN held.is_free THEN item.id ELSE held.turn END,
    run = CASE WHEN held.is_free THEN item.run ELSE held.run END
  FROM held JOIN item USING (key) WHERE l.key = held.key
), turn AS (
  INSERT INTO least.turns (id, key, session, generation, seq, state, run, input, accept_time)
  SELECT item.id, key, session, generation, held.last_seq + 1, 1, CASE WHEN held.is_free THEN item.run END, input,
    clock_timestamp()
  FROM item JOIN held USING (key)
)
SELECT item.place::int, held.is_free AS claimed FROM item JOIN held USING (key)`,
};

const ACTIVATE = {
  name: "least_activate",
  text: `
WITH ${UNHURRIED}, turn AS (
  UPDATE least.turns t SET state = 2, begin_time = clock_timestamp()
  FROM unnest($1::uuid[], $2::uuid[]) AS i (id, run) WHERE t.id = i.id AND t.run = i.run
)
SELECT FROM unhurried`,
};

const RECENT = {
  name: "least_recent",
  text: `
SELECT i.place::int, m.body FROM unnest($1::uuid[]) WITH ORDINALITY AS i (session, place)
CROSS JOIN LATERAL (
  SELECT seq, body FROM least.messages m WHERE m.session = i.session ORDER BY seq DESC LIMIT ${RECENT_MESSAGES}) m
ORDER BY i.place, m.seq`,
};

const PREPARE = {
  name: "least_prepare",
  text: `
UPDATE least.turns t SET reply = i.reply
FROM unnest($1::uuid[], $2::uuid[], $3::text[]) AS i (id, run, reply) WHERE t.id = i.id AND t.run = i.run`,
};

const FINISH = {
  name: "least_finish",
  text: `
WITH ${UNHURRIED}, item AS MATERIALIZED (
  SELECT * FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::uuid[], $5::text[], $6::text[])
    WITH ORDINALITY AS i (id, key, session, run, input, reply, place)
), held AS MATERIALIZED (
  SELECT l.* FROM least.lanes l JOIN item ON l.key = item.key AND l.run = item.run
  ORDER BY l.key FOR NO KEY UPDATE OF l
), lane AS (
  UPDATE least.lanes l SET turn = NULL, run = NULL FROM held WHERE l.key = held.key
), turn AS (
  UPDATE least.turns t SET state = 3, end_time = clock_timestamp()
  FROM item JOIN held USING (key) WHERE t.id = item.id RETURNING t.id, t.seq
), said AS (
  INSERT INTO least.messages (session, seq, turn, role, body)
  SELECT item.session, turn.seq * 2 + m.role, item.id, m.role, CASE m.role WHEN 0 THEN item.input ELSE item.reply END
  FROM item JOIN turn USING (id) CROSS JOIN (VALUES (0), (1)) AS m (role)
)
SELECT item.place::int, held.depth FROM item JOIN held USING (key), unhurried`,
};

const CLAIM = {
  name: "least_claim",
  text: `
WITH held AS MATERIALIZED (
  SELECT * FROM least.lanes WHERE key = ANY ($1::text[]) AND turn IS NULL AND depth > 0
  ORDER BY key FOR NO KEY UPDATE
), head AS MATERIALIZED (
  SELECT t.id, t.key, t.session, t.generation, t.input AS text, gen_random_uuid() AS run FROM held
  CROSS JOIN LATERAL (
    SELECT * FROM least.turns t WHERE t.key = held.key AND t.state < 3 ORDER BY t.seq LIMIT 1) t
), lane AS (
  UPDATE least.lanes l SET depth = l.depth - 1, turn = head.id, run = head.run FROM head WHERE l.key = head.key
), turn AS (
  UPDATE least.turns t SET run = head.run FROM head WHERE t.id = head.id
)
SELECT * FROM head`,
};

export function stepsOf(db: Database<unknown>): Steps {
  const byKey = ({ key }: Turn): string => key;
  const ofTurn = ({ turn }: Answered): string => turn.key;
  return {
    admit: grouped(async (turns) => {
      const { rows } = await db.query<Placed & { claimed: boolean }>(ADMIT, [
        ...[ids(turns), turns.map(byKey), turns.map(({ session }) => session)],
        ...[turns.map(({ generation }) => generation), texts(turns), runs(turns)],
      ]);
      return byPlace(rows, turns.length).map((row) => row?.claimed ?? false);
    }, byKey),
    activate: grouped(async (turns) => {
      await db.query(ACTIVATE, [ids(turns), runs(turns)]);
      return turns.map(() => true);
    }, byKey),
    recent: grouped(async (sessions): Promise<readonly (readonly string[])[]> => {
      const { rows } = await db.query<Placed & { body: string }>(RECENT, [sessions]);
      const said = sessions.map((): string[] => []);
      for (const { place, body } of rows) said[place - 1]?.push(body);
      return said;
    }),
    prepare: grouped(async (ends) => {
      const turns = ends.map(({ turn }) => turn);
      await db.query(PREPARE, [ids(turns), runs(turns), ends.map(({ reply }) => reply)]);
      return ends.map(() => true);
    }, ofTurn),
    finish: grouped(async (ends) => {
      const turns = ends.map(({ turn }) => turn);
      const { rows } = await db.query<Placed & { depth: number }>(FINISH, [
        ...[ids(turns), turns.map(byKey), turns.map(({ session }) => session)],
        ...[runs(turns), texts(turns), ends.map(({ reply }) => reply)],
      ]);
      return byPlace(rows, ends.length).map((row) => row?.depth ?? 0);
    }, ofTurn),
    claim: grouped(
      async (keys) => {
        const { rows } = await db.query<Turn>(CLAIM, [keys]);
        const found = new Map(rows.map((turn) => [turn.key, turn]));
        return keys.map((key) => found.get(key));
      },
      (key) => key,
    ),
  };
}

interface Placed {
  readonly place: number;
}

function ids(turns: readonly Turn[]): string[] {
  return turns.map(({ id }) => id);
}

function runs(turns: readonly Turn[]): string[] {
  return turns.map(({ run }) => run);
}

function texts(turns: readonly Turn[]): string[] {
  return turns.map(({ text }) => text);
}
