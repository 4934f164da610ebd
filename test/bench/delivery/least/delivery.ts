// A reply's way alone: stored, claimed in its route's order with a lease, fenced, signed and posted, the outcome
// told, and written.
import { byPlace } from "@lanekeeper/postgres";
import { createHmac } from "node:crypto";
import { Pool } from "undici";
import { serveJobs } from "../../shared/worker.ts";
import { callLines, serveLines } from "../../shared/least/lines.ts";
import { grouped, openDatabase } from "../../shared/least/statements.ts";
import type { Reply, Step } from "./calls.ts";

const env = (name: string): string => process.env[name] ?? "";
const inFlight = Number(env("BENCH_IN_FLIGHT"));
const secret = Buffer.from(env("BENCH_SECRET"));
const db = openDatabase(env("BENCH_DATABASE_URL"), 8);
const identity = callLines<Step, boolean>(Number(env("BENCH_IDENTITY_PORT")));
const http = new Pool(env("BENCH_ORIGIN"), { connections: inFlight });

const STORE = {
  name: "least_store",
  text: `
INSERT INTO least.deliveries (id, route, key, generation, body, create_time)
SELECT r.*, clock_timestamp() FROM unnest($1::uuid[], $2::text[], $3::text[], $4::int[], $5::text[]) AS r
ON CONFLICT DO NOTHING`,
};

const store = grouped(async (replies: readonly Reply[]): Promise<readonly true[]> => {
  await db.query(STORE, [
    replies.map(({ id }) => id),
    replies.map(({ route }) => route),
    replies.map(({ key }) => key),
    replies.map(({ generation }) => generation),
    replies.map(({ body }) => body),
  ]);
  for (const { route } of replies) look(route);
  return replies.map(() => true);
});

const CLAIM = {
  name: "least_claim",
  text: `
WITH head AS MATERIALIZED (
  SELECT w.place, d.* FROM unnest($1::text[]) WITH ORDINALITY AS w (route, place)
  CROSS JOIN LATERAL (
    SELECT id, key, generation, body FROM least.deliveries d
    WHERE d.route = w.route AND d.state = 0 ORDER BY d.seq LIMIT 1) d
), claimed AS (
  UPDATE least.deliveries d SET state = 1, lease_until = clock_timestamp() + interval '30 s'
  FROM head WHERE d.id = head.id
)
SELECT place::int, id, key, generation, body FROM head`,
};

type Claimed = Omit<Reply, "route">;

const claims = grouped(
  async (routes: readonly string[]): Promise<readonly (Claimed | undefined)[]> => {
    const { rows } = await db.query<Claimed & { readonly place: number }>(CLAIM, [routes]);
    return byPlace(rows, routes.length);
  },
);

const END = {
  name: "least_end",
  text: `
UPDATE least.deliveries d SET state = 2, end_time = clock_timestamp()
FROM unnest($1::uuid[]) AS e (id) WHERE d.id = e.id`,
};

const ends = grouped(async (ids: readonly string[]): Promise<readonly true[]> => {
  await db.query(END, [ids]);
  return ids.map(() => true);
});

/** Routes that are served, and whether more has come for them since. */
const served = new Map<string, boolean>();
const waiting: string[] = [];
let busy = 0;

function look(route: string): void {
  if (served.has(route)) {
    served.set(route, true);
    return;
  }
  served.set(route, false);
  waiting.push(route);
  serveNext();
}

function serveNext(): void {
  while (busy < inFlight && waiting.length > 0) {
    busy += 1;
    void serve(waiting.shift() ?? "");
  }
}

async function serve(route: string): Promise<void> {
  served.set(route, false);
  for (let reply = await claims.submit(route); reply; reply = await claims.submit(route)) {
    await send(route, reply);
  }
  const hasMore = served.get(route) === true;
  served.delete(route);
  busy -= 1;
  if (hasMore) look(route);
  serveNext();
}

async function send(route: string, { id, key, generation, body }: Claimed): Promise<void> {
  if (!(await identity.call({ id, key, generation, state: "sending" }))) return;
  const timestamp = String(Math.floor(Date.now() / 1_000));
  const signature = createHmac("sha256", secret)
    .update(`${id}.${timestamp}.${body}`)
    .digest("base64");
  const headers = {
    "content-type": "application/json",
    "webhook-id": id,
    "webhook-timestamp": timestamp,
    "webhook-signature": `v1,${signature}`,
  };
  const answer = await http.request({ method: "POST", path: route, headers, body });
  await answer.body.dump();
  await identity.call({ id, key, generation, state: "sent" });
  await ends.submit(id);
}

const server = await serveLines((reply: Reply) => store.submit(reply));
serveJobs({
  hello: server.port,
  run: () => Promise.resolve(undefined),
  close: () => {
    server.close();
    identity.close();
    void http.close();
    void db.close();
  },
});
