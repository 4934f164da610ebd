import type { EndedCall } from "@lanekeeper/service";
import { expect, test } from "vitest";
import { type AlertRule, readAlertRules } from "./support/alert-rules.ts";
import { evaluate } from "./support/promql/evaluate.ts";
import { Metered } from "./support/promql/metered.ts";
import type { Scrapes } from "./support/promql/scrapes.ts";

const RULES = readAlertRules("docs/operations/alerts.yaml");

const SCRAPE_SECONDS = 30;
const HOUR_SECONDS = 3_600;
/** When what goes wrong once goes wrong: services have run for a while, and nothing like it was before. */
const ONCE_SECONDS = 1_500;

/** What happens in the half minute before a scrape. */
type Happens = (metered: Metered, atSeconds: number) => void;

function times(count: number, work: () => void): void {
  for (let n = 0; n < count; n += 1) work();
}

const ended: EndedCall = {
  ...({ side: "client", transport: "grpc", peer: "", code: "OK" } as const),
  ...{ service: "runner", method: "AttachTurn", reason: "", durationMs: 5 },
};

/** An ordinary half minute, with what ordinarily goes wrong in it. */
const usual: Happens = ({ ingress, call, identity, runner, delivery }, atSeconds) => {
  times(60, () => {
    ingress.request({ route: "chat", status: 200, reason: "" }, 1);
    call(ended);
    runner.ended("COMPLETED", "");
    runner.waited(0.01);
    runner.handedOver("accepted");
    runner.unsent(3);
    identity.batch(3, 4);
  });
  ingress.request({ route: "chat", status: 503, reason: "WAIT_EXPIRED" }, 240);
  ingress.scheduleRun("accepted", 0.1);
  identity.refused("write", "STALE_GENERATION");
  runner.ended("CANCELLED", "");
  delivery.backlog([{ age: "under_10s", count: 3 }]);
  delivery.blocked(0);
  // A replica died an hour ago.
  if (atSeconds === SCRAPE_SECONDS) runner.tookOver("run again");
};

const once =
  (work: (metered: Metered) => void): Happens =>
  (metered, atSeconds) => {
    if (atSeconds === ONCE_SECONDS) work(metered);
  };

/** What each rule is there for; it must fire then, and at nothing usual. */
const WRONG: Readonly<Record<string, Happens>> = {
  LanekeeperReplicaDown: ({ down }) => down.add("delivery"),
  LanekeeperServerErrors: ({ ingress }) =>
    times(3, () => ingress.request({ route: "chat", status: 500, reason: "INTERNAL" }, 1)),
  LanekeeperStoreUnavailable: ({ call }) =>
    call({ ...ended, code: "UNAVAILABLE", reason: "STORE_UNAVAILABLE" }),
  LanekeeperDatabaseSlow: ({ identity }) => times(2, () => identity.batch(3, 4_000)),
  LanekeeperStaleStorm: ({ identity }) => times(20, () => identity.refused("write", "TAKEN_OVER")),
  LanekeeperTakeovers: ({ runner }, atSeconds) => {
    if (atSeconds % 240 === 0) runner.tookOver("ending repeated");
  },
  LanekeeperTurnsWait: ({ runner }) => times(6, () => runner.waited(45)),
  LanekeeperTurnsFail: ({ runner }) => times(5, () => runner.ended("FAILED", "MODEL_FAILED")),
  LanekeeperOutboxStuck: ({ runner }) => runner.handedOver("failed"),
  LanekeeperOutboxFills: ({ runner }) => runner.unsent(12_000),
  LanekeeperReplyRefused: once(({ runner }) => runner.handedOver("refused")),
  LanekeeperRepliesWait: ({ delivery }) => delivery.backlog([{ age: "older", count: 1 }]),
  LanekeeperRoutesBlocked: ({ delivery }) => delivery.blocked(1),
  LanekeeperSchedulesMissed: once(({ ingress }) => ingress.scheduleRun("missed", undefined)),
  LanekeeperConnectionsRefused: once(({ ingress }) => ingress.connectionRefused()),
  LanekeeperEventLoopLate: (metered) => {
    metered.loopLagSeconds = 0.8;
  },
};

/** Nothing is handed over where delivery is away. */
const INSTEAD = new Set(["LanekeeperOutboxStuck"]);

async function hourOf(...happens: readonly Happens[]): Promise<Scrapes> {
  const metered = new Metered();
  await metered.scrape(0);
  for (let at = SCRAPE_SECONDS; at <= HOUR_SECONDS; at += SCRAPE_SECONDS) {
    for (const one of happens) one(metered, at);
    await metered.scrape(at);
  }
  return metered.scrapes;
}

/** Whether its expression gives something for as long as it asks. */
function fires({ expr, for: pending = "0m" }: AlertRule, scrapes: Scrapes): boolean {
  const wantedSeconds = Number.parseInt(pending, 10) * 60;
  let since: number | undefined;
  // After the first minutes: a rate needs its range.
  for (let at = 1_200; at <= HOUR_SECONDS; at += SCRAPE_SECONDS) {
    since = evaluate(expr, scrapes, at).length === 0 ? undefined : (since ?? at);
    if (since !== undefined && at - since >= wantedSeconds) return true;
  }
  return false;
}

test("no rule fires in an ordinary hour", async () => {
  const scrapes = await hourOf(usual);
  expect(RULES.filter((rule) => fires(rule, scrapes)).map(({ alert }) => alert)).toEqual([]);
});

test.each(RULES)("$alert fires at what it is there for", async (rule) => {
  const wrong = WRONG[rule.alert];
  if (wrong === undefined) throw new Error("nobody has said what it is there for");
  const scrapes = INSTEAD.has(rule.alert) ? await hourOf(wrong) : await hourOf(usual, wrong);
  expect(fires(rule, scrapes)).toBe(true);
});

test("what is said to go wrong is some rule's", () => {
  expect(Object.keys(WRONG).sort()).toEqual(RULES.map(({ alert }) => alert).sort());
});
