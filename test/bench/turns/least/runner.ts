// A turn's way alone: admitted into its lane, begun at the identity process, activated while the end of the
// transcript is read, answered, prepared, ended there, and made visible; then the lane's next one.
import { randomUUID } from "node:crypto";
import { callLines, serveLines } from "../../shared/least/lines.ts";
import { openDatabase } from "../../shared/least/statements.ts";
import { serveJobs } from "../../shared/worker.ts";
import type { Asked, Step, Stood } from "./calls.ts";
import { stepsOf, type Turn } from "./steps.ts";

const env = (name: string): string => process.env[name] ?? "";
const db = openDatabase(env("BENCH_DATABASE_URL"), 8);
const steps = stepsOf(db);
const identity = callLines<Step, Stood>(Number(env("BENCH_IDENTITY_PORT")));

/** Turns whose caller waits. */
const waiting = new Map<string, (reply: string) => void>();

async function take(asked: Asked): Promise<string> {
  const answered = new Promise<string>((resolve) => waiting.set(asked.id, resolve));
  const run = randomUUID();
  const isClaimed = await steps.admit.submit({ ...asked, run });
  if (isClaimed) void runLane({ ...asked, run });
  return answered;
}

async function runLane(first: Turn): Promise<void> {
  for (let turn: Turn | undefined = first; turn !== undefined; ) {
    const depth = await runOne(turn);
    turn = depth > 0 ? await steps.claim.submit(turn.key) : undefined;
  }
}

/** Gives how many wait behind it. */
async function runOne(turn: Turn): Promise<number> {
  const { key, generation, id, run } = turn;
  await write({ kind: "begin", key, generation, turn: id, run });
  const [said] = await Promise.all([
    steps.recent.submit(turn.session),
    steps.activate.submit(turn),
  ]);
  const reply = `I was shown ${said.length + 1} messages, the last: ${turn.text}`;
  await steps.prepare.submit({ turn, reply });
  await write({ kind: "end", key, generation, turn: id, run });
  const depth = await steps.finish.submit({ turn, reply });
  waiting.get(id)?.(reply);
  waiting.delete(id);
  return depth;
}

async function write(step: Step): Promise<void> {
  if (!(await identity.call(step))) throw new Error(`the fence refused to ${step.kind} a run`);
}

const server = await serveLines(take);
serveJobs({
  hello: server.port,
  run: () => Promise.resolve(undefined),
  close: () => {
    server.close();
    identity.close();
    void db.close();
  },
});
