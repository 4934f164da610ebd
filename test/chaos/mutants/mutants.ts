// Faults that the harness must report, each one replacement of text in one file. `breaks`: the
// guarantees of which at least one has to be named.
import type { Guarantee } from "../judges/judge.ts";
import type { Patch } from "../inside/planted.ts";

export interface Mutant extends Patch {
  /** What somebody might have written. */
  readonly about: string;
  readonly breaks: readonly Guarantee[];
}

const identity = "services/session-identity/src";
const runner = "services/runner/src";
const fanout = "services/delivery/src/fanout";

export const MUTANTS: readonly Mutant[] = [
  {
    name: "mint-before-lane",
    about: "each of the first callers is told the id that it minted before the key was locked",
    file: `${identity}/names/resolver.ts`,
    find: "await this.#reserve(looked, standing, question, caller);",
    put: `const minted = crypto.randomUUID();
      await this.#reserve(looked, standing, question, caller);
      const made = await this.lookUp(question.agent, question.name, caller);
      const own = made.found.target ?? made.found.key;
      if (hasSession(own)) {
        const session = { ...own.session, sessionId: minted };
        return this.#answer(made, { ...own, session }, question);
      }`,
    breaks: ["G1"],
  },
  {
    name: "fence-by-sub-select",
    about: "the fence is read without the row's lock",
    file: `${identity}/store/keys/lock-keys.ts`,
    find: "    for update of k`",
    put: "`",
    breaks: ["G2", "G3"],
  },
  {
    name: "key-share",
    about: "the row is locked for a foreign key's sake only",
    file: `${identity}/store/keys/lock-keys.ts`,
    find: "for update of k`",
    put: "for key share of k`",
    breaks: ["G2", "G3"],
  },
  {
    name: "memory-unchecked",
    about: "what a replica remembers of a key is written whatever stands there",
    file: `${identity}/store/batch/write-unchanged-sql.ts`,
    find: " and k.xmin = w.xid::xid\n          and k.revision = w.revision",
    put: "",
    breaks: ["G2", "G3"],
  },
  {
    name: "ack-before-commit",
    about: "callers are answered before the commit",
    file: `${identity}/engine/run-batch.ts`,
    find: "context.db.transaction((tx) => inTransaction(tx, context, commands, outdated)),",
    put: `new Promise<BatchDone>((resolve, reject) => {
      context.db
        .transaction(async (tx) => {
          resolve(await inTransaction(tx, context, commands, outdated));
          await new Promise((later) => setTimeout(later, 150));
        })
        .catch(reject);
    }),`,
    breaks: ["G2", "G3"],
  },
  {
    name: "two-heads",
    about: "a lane that is held gives its next head to whoever asks",
    file: `${runner}/store/lanes/claim-head.ts`,
    find: "lane.holderRunId !== undefined || ",
    put: "",
    breaks: ["G5", "G6"],
  },
  {
    name: "last-come-first",
    about: "a lane serves the turn that came last",
    file: `${runner}/store/lanes/claim-head.ts`,
    find: "CASE WHEN due.person THEN 2 ELSE 3 END FROM turns t, due\n    WHERE ${WAITING} AND NOT t.front AND t.turn_class = ${TurnClass.PERSON} ORDER BY t.lane_seq LIMIT 1)",
    put: "CASE WHEN due.person THEN 2 ELSE 3 END FROM turns t, due\n    WHERE ${WAITING} AND NOT t.front AND t.turn_class = ${TurnClass.PERSON} ORDER BY t.lane_seq DESC LIMIT 1)",
    breaks: ["G6"],
  },
  {
    name: "raw-key-as-lane",
    about: "the lane is that of the name as it came",
    file: `${runner}/store/admission/lane-turn-sql.ts`,
    find: "of: ({ turn }) => turn.session.sessionKey }",
    put: "of: ({ turn }) => turn.origin?.rawKey || turn.session.sessionKey }",
    breaks: ["G5", "G6"],
  },
  {
    name: "deliver-unfenced",
    about: "a reply goes out without the fence's leave",
    file: "services/delivery/src/sending/fence.ts",
    find: "      await this.#write(showing);\n",
    put: "      void showing;\n",
    breaks: ["G8"],
  },
  {
    name: "takeover-without-epoch",
    about: "a run that takes over keeps the epoch of the one before",
    file: `${identity}/domain/begin-run.ts`,
    find: "const runEpoch = session.runEpoch + 1n;",
    put: "const runEpoch = session.runEpoch + (session.activeRun === undefined ? 1n : 0n);",
    breaks: ["G2", "G3"],
  },
  {
    name: "drop-outbox-row",
    about: "one committed reply in ten is not put into the outbox",
    file: `${runner}/store/runs/finish.ts`,
    find: "FROM turn WHERE route_id <> '' AND state = ${COMPLETED}",
    put: "FROM turn WHERE route_id <> '' AND state = ${COMPLETED} AND get_byte(uuid_send(turn_id), 15) > 25",
    breaks: ["G8"],
  },
  {
    name: "watch-by-sequence",
    about: "a watch goes on behind the highest number seen, past what was not committed yet",
    file: `${identity}/store/feed/read-changes.ts`,
    find: "  or c.xid >= pg_snapshot_xmin(${snapshot}::pg_snapshot) and not",
    put: "  or c.xid >= pg_snapshot_xmax(${snapshot}::pg_snapshot) and not",
    breaks: ["G12"],
  },
  {
    name: "stale-snapshot",
    about: "a snapshot is answered from what another watcher was shown",
    file: `${identity}/store/feed/read-changes.ts`,
    find: "  return { history: historyOf(rows[0]), states };\n}",
    put: `  const shown = stale.get(JSON.stringify([after, filter])) ?? states;
  stale.set(JSON.stringify([after, filter]), shown);
  return { history: historyOf(rows[0]), states: shown };
}
const stale = new Map<string, StandingKey[]>();`,
    breaks: ["G12"],
  },
  {
    name: "joined-without-what-lies-between",
    about: "who joins delivery's feed is not told what changed between its read and the feed",
    file: `${fanout}/watch-source.ts`,
    find: "    yield* readBetween(reads, question, place, token, call);\n",
    put: "    void [readBetween, token];\n",
    breaks: ["G12"],
  },
  {
    name: "lane-end-untold",
    about: "delivery's watchers are told of lanes that have work, and not when it is done",
    file: `${fanout}/lane-feed.ts`,
    find: "    this.#lanes.set(tenant, lane, nowMs);\n    this.#tell(tenant, lane);\n",
    put: `    this.#lanes.set(tenant, lane, nowMs);
    if (this.#lanes.has(tenant, lane.sessionKey)) this.#tell(tenant, lane);
`,
    breaks: ["G12"],
  },
  {
    name: "retry-without-request-id",
    about: "a turn is recorded under an id of its own instead of its caller's",
    file: `${runner}/store/admission/lane-turn-sql.ts`,
    find: "of: ({ turn }) => turn.idempotencyKey }",
    put: "of: ({ turn }) => turn.turnId }",
    breaks: ["G11"],
  },
  {
    name: "takeover-before-lease-ends",
    about: "a lease of which half is over counts as over",
    file: `${identity}/domain/begin-run.ts`,
    find: "leaseLeftMs(activeRun, now) > 0)",
    put: "leaseLeftMs(activeRun, now) > activeRun.leaseMs / 2)",
    breaks: ["G4"],
  },
  {
    name: "short-memory",
    about: "the model is not shown the last exchange",
    file: `${runner}/domain/context.ts`,
    find: "const history = lastExchanges(parts.history, left, budget);",
    put: "const history = lastExchanges(parts.history, left, budget).slice(0, -2);",
    breaks: ["G7"],
  },
  {
    name: "refused-with-trace",
    about: "a turn is refused after it was accepted",
    file: `${runner}/rpc/accept.ts`,
    find: "  report(context, result);\n",
    put: `  report(context, result);
  if (result.position >= 4 && agent?.agentId === "narrow") {
    throw new LanekeeperError("QUEUE_FULL", "full", { metadata: { limit: "4" } });
  }
`,
    breaks: ["G16"],
  },
  {
    name: "cycle-unseen",
    about: "a nested send waits without a look at who waits for it",
    file: `${runner}/store/nested/wait-edges.ts`,
    find: "if (seen?.isCycle !== true) return false;",
    put: "if (seen !== null) return false;",
    breaks: ["G13"],
  },
  {
    name: "tenant-blind",
    about: "a session is found by its id, whosever it is",
    file: `${identity}/store/keys/find-generation.ts`,
    find: "where session_id = $2 and tenant = $1",
    put: "where session_id = $2 and $1::text is not null",
    breaks: ["G14"],
  },
  {
    name: "without-nfc",
    about: "names are taken as they come, composed or not",
    file: "packages/session-key/src/text.ts",
    find: 'isPlainAscii(text) ? text : text.normalize("NFC")',
    put: "text",
    breaks: ["G9"],
  },
  {
    name: "rules-before-ledger",
    about:
      "names are read by the rules of the day, which change after a while, whatever they were bound to",
    file: `${identity}/names/plan.ts`,
    find: "    if (found.key !== undefined) return found.key.sessionKey;\n",
    put: `    if (found.key !== undefined && (wanted.own !== "" || performance.now() < 11_000)) {
      return found.key.sessionKey;
    }
    if (wanted.own === "" && performance.now() >= 11_000) {
      return \`\${wanted.candidate}:by-new-rules\` as CanonicalKey;
    }
`,
    breaks: ["G10"],
  },
  {
    name: "lane-without-bound",
    about: "a lane takes all that comes",
    file: `${runner}/store/admission/lane-turn-sql.ts`,
    find: "(admission.mayWait ? admission.maxWaiting : 0)",
    put: "(admission.mayWait ? 1_000_000 : 0)",
    breaks: ["G15"],
  },
  {
    name: "bound-unnamed",
    about: "a lane that is full does not say of how many",
    file: `${runner}/admission/refuse-if-full.ts`,
    find: "metadata: { depth: String(lane.depth), max_waiting_turns: String(maxWaiting) },",
    put: "metadata: {},",
    breaks: ["G15"],
  },
  {
    name: "kept-for-ever",
    about: "something is kept of each turn, for as long as the process lives",
    file: `${runner}/admission/admission.ts`,
    find: "  const cutOff = await cutOffTurn(deps, turn);\n",
    put: `  // Not more than a machine has.
  const kept = (globalThis.kept ??= []);
  if (kept.length < 40) kept.push(Buffer.alloc(24 * 2 ** 20, 1));
  const cutOff = await cutOffTurn(deps, turn);
`,
    breaks: ["G15"],
  },
];
