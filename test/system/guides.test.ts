import { randomUUID } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";

import { createIdentityClient } from "@lanekeeper/client";
import {
  eventually,
  isSignedWith,
  startConstellation,
  startWebhookSink,
  type TestConstellation,
} from "@lanekeeper/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { readAlertRules, selectorsOf, toldMetrics } from "../support/alert-rules.ts";
import { openAi, say } from "../support/client.ts";
import { keptDataDir } from "../support/data-dir.ts";
import { type Document, openDocument } from "../support/document.ts";
import { type HeldRights, takeRights } from "../support/held-rights.ts";
import { refused } from "../support/refused.ts";

const IDENTITY = "identity.v1.SessionIdentityService";
const RUNNER = "runner.v1.RunnerService";
const DELIVERY = "delivery.v1.DeliveryService";
const GROUP = "agent:main:telegram:group:-4242";

let data: Awaited<ReturnType<typeof keptDataDir>>;
let sink: Awaited<ReturnType<typeof startWebhookSink>>;
let lanekeeper: TestConstellation;
/** Of before the backup. */
let held: HeldRights;

const start = () =>
  startConstellation({
    dataDir: data.path,
    env: {
      LANEKEEPER_WEBHOOK_ALLOW_PRIVATE: "127.0.0.0/8",
      WEBHOOK_SECRET_HELPDESK: "whsec_bGFuZWtlZXBlci1ndWlkZS1zZWNyZXQtMDE=",
    },
  });

beforeAll(async () => {
  data = await keptDataDir();
  sink = await startWebhookSink();
  lanekeeper = await start();
});
afterAll(async () => {
  await lanekeeper?.stop();
  await sink?.[Symbol.asyncDispose]();
  await data?.[Symbol.asyncDispose]();
});

interface Ref {
  readonly sessionId: string;
  readonly generation: string;
}

async function resolve(rawKey: string): Promise<Ref> {
  const { session } = await lanekeeper.call(`${IDENTITY}/ResolveSession`, { rawKey });
  return (session as { ref: Ref }).ref;
}

interface Delivery {
  readonly deliveryId: string;
}

/** The deliveries of the group in a state, once there is one. */
function deliveries(state: string): Promise<Delivery[]> {
  const list = async () => {
    const request = { sessionKey: GROUP, state: `DELIVERY_STATE_${state}` };
    const { deliveries: found } = await lanekeeper.call(`${DELIVERY}/ListDeliveries`, request);
    return found as Delivery[] | undefined;
  };
  return eventually(list, { timeoutMs: 30_000, what: `a reply is ${state}` });
}

/** Nobody else of the machine may read a file of the data dir. */
async function isMine(file: string): Promise<boolean> {
  return ((await stat(join(data.path, file))).mode & 0o077) === 0;
}

/** What each of some blocks says, pasted one after the other into one shell. */
async function paste(document: Document, blocks: readonly string[]): Promise<string[]> {
  const whole = blocks.map((block) => `echo '=== block'\n${block}`).join("\n");
  const said = await document.paste(whole, { "https://bot.example.org/replies": sink.url });
  return said.split("=== block\n").slice(1);
}

describe("docs/adapters.md", () => {
  const FIRST_SUBMIT = 4;
  const page = () => openDocument("docs/adapters.md", lanekeeper);

  test("a name is bound and resolved, a route registered, a turn submitted and answered", async () => {
    const blocks = page()
      .blocks("sh")
      .slice(0, FIRST_SUBMIT + 1);
    const [, bound = "", ref = "", route = "", submitted = ""] = await paste(page(), blocks);
    expect(bound).toContain('"source":"telegram-bot/1.0"');
    expect(bound).toContain('"sessionKey":"agent:main:ticket:77"');
    expect(JSON.parse(ref)).toMatchObject({ sessionKey: GROUP, generation: "1" });
    const { signingSecret } = JSON.parse(route) as { signingSecret: string };
    expect(JSON.parse(submitted)).toMatchObject({ disposition: "DISPOSITION_STARTED" });
    const posted = await sink.post(0);
    expect(isSignedWith(posted, signingSecret)).toBe(true);
    expect(posted.json).toMatchObject({
      type: "reply",
      session: { key: GROUP, generation: 1 },
      text: expect.stringContaining("1. user: Hello"),
    });
  });

  test("repeats join, two resets are one, a second name leads to the same conversation", async () => {
    const said = await paste(page(), page().blocks("sh"));
    const after = said.slice(FIRST_SUBMIT + 1).map((text) => text.trim());
    const [repeated, resets = "", oldest, commands = "", second = "", ...rest] = after;
    expect(repeated).toBe('"DISPOSITION_JOINED"\n"TURN_STATE_COMPLETED"');
    expect(resets).toMatch(/^"2"\n\{"code":"aborted".*GENERATION_MISMATCH/);
    expect(oldest).toBe('"2"');
    expect(commands).toMatch(
      /"sessionKey":"agent:main:telegram:group:-4242".*\n"TURN_STATE_COMPLETED"$/,
    );
    expect(second).toContain('"peerId":"-1004242"');
    expect(second.split("\n").at(-1)).toBe(`"${GROUP}"`);
    const [explained, normalized, checked, taken, ...none] = rest;
    expect(explained).toContain(`leads to ${GROUP}`);
    expect(normalized).toBe('"agent:main:telegram:direct:@ada_l"');
    expect(checked).toMatch(/^\d\d vectors of telegram, 0 differ$/);
    expect(taken).toMatch(/"disposition":"started".*"key":"agent:main:ticket:78"/);
    expect(none).toEqual([]);
    expect(sink.posts).toHaveLength(1);
  });

  test("a turn that requires the generation it saw ends FAILED where that is gone", async () => {
    const seen = await resolve("guide:required");
    const sessionKey = "agent:main:guide:required";
    const reset = { requestId: randomUUID(), sessionKey, reason: "ROTATION_REASON_RESET" };
    await lanekeeper.call(`${IDENTITY}/RotateSession`, reset);
    const key = { idempotencyKey: "guide/required", fingerprint: "AAAA" };
    await lanekeeper.call(`${RUNNER}/SubmitTurn`, {
      ...{ ...key, session: seen, requireGeneration: true, turnClass: "TURN_CLASS_PERSON" },
      messages: [{ role: "ROLE_USER", parts: [{ text: "yes" }] }],
    });
    const ended = await eventually(async () => {
      const { turn } = await lanekeeper.call(`${RUNNER}/FindTurn`, key);
      return (turn as { endTime?: string }).endTime === undefined ? undefined : turn;
    });
    expect(ended).toMatchObject({ state: "TURN_STATE_FAILED", errorReason: "GENERATION_MISMATCH" });
  });
});

test("docs/operations/rpcs.md: each of the operators' RPCs answers as the page says", async () => {
  const page = openDocument("docs/operations/rpcs.md", lanekeeper);
  const [, ref = "", explained, listed, , lane, cancelled, rotated, journal, ...more] = (
    await paste(page, page.blocks("sh"))
  ).map((text) => text.trim());
  const key = "agent:main:demo:grace";
  expect(JSON.parse(ref)).toMatchObject({ sessionKey: key, generation: "1" });
  expect(explained).toContain("RESERVED_NAMESPACE");
  expect(listed).toContain(`"sessionKey":"${key}"`);
  expect(lane).toContain(JSON.parse(cancelled ?? "") as string);
  expect(JSON.parse(rotated ?? "")).toMatchObject({
    rotation: { current: { generation: "2" }, reason: "ROTATION_REASON_RESET", note: "ticket 7" },
  });
  expect(journal).toMatch(/"operation":"rotate","decision":"DECISION_ACCEPTED"/);
  const [, attached, watched, events, schedules, ...none] = more;
  expect(attached).toMatch(/^\{"accepted":[^]*"ended":\{"state":"TURN_STATE_[^]*\{\}$/);
  expect(watched).toMatch(/^\{"snapshot":[^]*"snapshotEnd":\{\},"resumeToken":/);
  expect(watched).toContain(key);
  expect(events).toMatch(/event: session.snapshot\ndata: [^]*event: session.snapshot_end\nid: /);
  expect(schedules).toMatch(/"nextDueTime":[^]*"disposition":"DISPOSITION_STARTED"[^]*\{\}$/);
  expect(none).toEqual([]);
});

test("docs/keys.md: keys are made, rotated, revoked, bound and limited as the page says", async () => {
  const page = openDocument("docs/keys.md", lanekeeper);
  const [cli = "", first = "", rotated, revoked, , http = "", bound = "", limited] = await paste(
    page,
    page.blocks("sh"),
  );
  expect(cli).toMatch(/^text {8}lk1_[0-9a-z]{16}_[0-9A-Za-z]{49}$/m);
  expect(cli).toContain("web shop: chat, agents main, keys agent:main:shop:, ends ");
  expect(first).toMatch(/"sessionKeyPrefixes":\["agent:main:shop:"\]\} 200/);
  expect(rotated).toMatch(/^[^]* 200\n[^]* 200\n$/);
  expect(revoked).toMatch(/revoked .*\n[^]*unauthenticated[^]* 401\n$/);
  const answers = http.split(/(?<= \d{3})\n/);
  expect(answers.map((text) => text.slice(-3)).slice(0, 5)).toEqual([
    ...["200", "200", "200", "404", "404"],
  ]);
  expect(answers[0]).toContain('"keyText":"lk1_');
  expect(answers[1]).not.toContain("keyText");
  expect(answers[2]?.match(/apiKeyId/g)).toHaveLength(1);
  expect(bound).toMatch(
    /"sessionKey":"agent:main:desk:1"[^]* 200\n[^]* 403\n\{\} 200\n[^]* 403\n$/,
  );
  expect(bound).not.toContain("elsewhere");
  expect(limited).toMatch(
    /200 OK[^]*remaining: 1[^]*200 OK[^]*remaining: 0[^]*429[^]*retry-after:/i,
  );
  expect(await isMine("shop.json")).toBe(true);
  expect(await isMine("acme.json")).toBe(true);
  const keys = [...`${cli}${http}`.matchAll(/lk1_[0-9a-z]{16}_([0-9A-Za-z]{49})/g)];
  const logs = await readFile(join(data.path, "logs", "ingress.log"), "utf8");
  expect(keys.length).toBeGreaterThan(1);
  for (const [, secret = ""] of keys) expect(logs).not.toContain(secret);
});

test("docs/openai-compatibility.md: a tenant's settings are read, changed and put back", async () => {
  const page = openDocument("docs/openai-compatibility.md", lanekeeper);
  const get = () => lanekeeper.call("ingress.v1.IngressService/GetTenantSettings", {});
  const before = await get();
  const [said = "", ...none] = await paste(page, page.blocks("sh"));
  const versions = [...said.matchAll(/"version":"(\d+)"/g)].map(([, version]) => Number(version));
  expect(versions).toEqual([versions[0], (versions[0] ?? 0) + 1]);
  expect((await get())["settings"]).toEqual(before["settings"]);
  expect(none).toEqual([]);
});

describe("docs/operations/alerts.yaml", () => {
  const rules = readAlertRules("docs/operations/alerts.yaml");

  test("every metric and label that a rule asks for is told by the real services", async () => {
    const { services } = await lanekeeper.state();
    const pages = Object.values(services).map(async ({ admin }) =>
      (await fetch(`${admin}/metrics`)).text(),
    );
    const told = toldMetrics((await Promise.all(pages)).join("\n"));
    const selectors = rules.flatMap(({ expr }) => selectorsOf(expr));
    expect(selectors.length).toBeGreaterThan(rules.length);
    for (const { metric, labels } of selectors) {
      // Prometheus' own, of each scrape.
      if (metric === "up") continue;
      expect(told.has(metric), metric).toBe(true);
      const seen = told.get(metric) ?? new Set();
      if (seen.size > 0)
        expect([metric, ...labels.filter((one) => !seen.has(one))]).toEqual([metric]);
    }
  });
});

describe("docs/operations", () => {
  let document: Document;
  let addresses: Record<string, string>;
  const pasted = new Set<string>();

  beforeAll(async () => {
    document = openDocument("docs/operations/README.md", lanekeeper);
    const { services } = await lanekeeper.state();
    addresses = {
      "http://127.0.0.1:7111": services["session-identity"].admin,
      "http://127.0.0.1:7112": services.runner.admin,
      "http://127.0.0.1:7113": services.delivery.admin,
    };
  });

  /** What a block under a heading says. */
  function paste(heading: string, index = 0): Promise<string> {
    const block = document.blocks("sh", heading)[index];
    if (block === undefined) throw new Error(`there is no block ${index} under ${heading}`);
    pasted.add(block);
    return document.paste(block, addresses);
  }

  /** The same, once it says so: what is looked for comes in its own time. */
  function untilTold(heading: string, wanted: string): Promise<string> {
    const look = async () => {
      const said = await paste(heading);
      return said.includes(wanted) ? said : undefined;
    };
    return eventually(look, { timeoutMs: 60_000, what: `${heading}: ${wanted}` });
  }

  /** A turn under demo:ada that runs until it is ended. */
  async function stuckTurn() {
    const ended = refused(say(openAi(lanekeeper), "demo:ada", "wait\n!sleep 100s"));
    await eventually(
      async () => {
        const request = { runningOnly: true, sessionKeyPrefix: "agent:main:demo:ada" };
        const { sessions } = await lanekeeper.call(`${IDENTITY}/ListSessions`, request);
        return sessions !== undefined;
      },
      { what: "the turn runs" },
    );
    return { ended };
  }

  test("doctor finds nothing", async () => {
    const [first = ""] = document.blocks("sh");
    pasted.add(first);
    expect(await document.paste(first)).toContain("no problems found");
  });

  test("a stuck lane is seen, its turn cancelled, its conversation begun anew", async () => {
    const first = await stuckTurn();
    const seen = await paste("A stuck lane");
    expect(seen).toMatch(/agent:main:demo:ada {2}0 turns wait, one runs, heartbeat \d+ ms ago/);
    expect(seen).toMatch(/^running {5}[0-9a-f-]{36} of turn /m);
    expect(await paste("A stuck lane", 1)).toMatch(/^[0-9a-f-]{36} {2}(ACTIVE|CANCELLED)/);
    expect((await first.ended).code).toBe("TURN_CANCELLED");
    const second = await stuckTurn();
    const reset = await paste("A stuck lane", 2);
    expect(reset).toMatch(/generation 1 → 2 {2}RESET.*poisoned history/);
    expect(reset).toMatch(/the run [0-9a-f-]{36} was ended/);
    expect((await second.ended).code).toBe("SUPERSEDED");
  });

  test("a storm of STALE is counted, and its refusals told", async () => {
    const told = await untilTold("A storm of STALE", "refused STALE_GENERATION");
    expect(told).toMatch(/identity_refused_total\{.*reason="STALE_GENERATION".*\} [1-9]/);
    expect(told).toMatch(
      / {2}rotate {2}accepted RESET {2}.*by bootstrap: poisoned history, ticket 7/,
    );
  });

  test("replies that wait are listed, and UNKNOWN ones after a reset, which are dead letters", async () => {
    sink.always({ cut: true });
    await submitWithRoute();
    const waiting = await untilTold("Replies that wait", '"lastError"');
    expect(waiting).toMatch(/outbox_handovers_total\{.*result="accepted".*\} [1-9]/);
    expect(waiting).toContain("lanekeeper_delivery_open");
    const reset = { requestId: randomUUID(), sessionKey: GROUP, reason: "ROTATION_REASON_RESET" };
    await lanekeeper.call(`${IDENTITY}/RotateSession`, reset);
    const [unknown] = await deliveries("UNKNOWN");
    expect(await paste("UNKNOWN replies")).toContain(unknown?.deliveryId);
    expect(await paste("Dead letters")).toMatch(new RegExp(`${unknown?.deliveryId}.*UNKNOWN`));
    expect(sink.posts.at(-1)?.id).toBe(unknown?.deliveryId);
  });

  test("a lost replica, and a full disk, are looked for", async () => {
    expect(await paste("A lost replica")).toContain("lanekeeper_takeovers_total");
    expect(await paste("Postgres is full, or away")).toMatch(/no problems found[^]*\d+%/);
    expect(await paste("Schedules that did not run")).toContain("no schedules");
  });

  test("fences are raised once, and the journal tells", async () => {
    const { generation } = await resolve("demo:ada");
    const first = await paste("After a restore");
    expect(first).toMatch(/[1-9]\d* keys lifted by 2\^32/);
    expect(await paste("After a restore")).toBe(first);
    expect((await resolve("demo:ada")).generation).toBe(String(BigInt(generation) + 2n ** 32n));
    expect(await paste("After a restore", 1)).toMatch(
      /raise_fences {2}accepted MIGRATION {2}.*request restore-2026-11-20.*: restored last night's backup/,
    );
  });

  test("a new signing secret is told, and signs beside the old one", async () => {
    sink.always({});
    const before = sink.posts.length;
    const { signingSecret } = JSON.parse(await paste("A new signing secret")) as Record<
      string,
      string
    >;
    await submitWithRoute();
    const posted = await sink.post(before);
    expect(isSignedWith(posted, signingSecret ?? "")).toBe(true);
    expect(String(posted.headers["webhook-signature"]).split(" ")).toHaveLength(2);
  });

  test("secrets are made anew and a backup taken while everything is stopped; conversations stay", async () => {
    const before = await resolve("demo:ada");
    const old = { key: lanekeeper.apiKey, credential: lanekeeper.credential("cli") };
    expect(await paste("A new cluster secret")).toContain("no problems found");
    held = await takeRights(lanekeeper, "guide:held");
    await lanekeeper.stop();
    await paste("A new cluster secret", 1);
    await paste("A new API key");
    await backupBlock(0);
    expect(await isMine("backup.tar.gz")).toBe(true);
    lanekeeper = await start();
    expect(lanekeeper.apiKey).not.toBe(old.key);
    expect(await resolve("demo:ada")).toEqual(before);
    const target = lanekeeper.targets["session-identity"];
    using identity = createIdentityClient({ target, credential: old.credential });
    await expect(identity.getSession({}, { tenant: "default" })).rejects.toMatchObject({
      reason: "UNAUTHENTICATED",
    });
  });

  test("there is no block that was not tried", () => {
    expect(document.blocks("sh").filter((block) => !pasted.has(block))).toEqual([]);
  });

  async function submitWithRoute(): Promise<void> {
    const { routes } = await lanekeeper.call(`${DELIVERY}/ListRoutes`, { sessionKey: GROUP });
    const [route] = routes as { routeId: string }[];
    await lanekeeper.call(`${RUNNER}/SubmitTurn`, {
      ...{ idempotencyKey: randomUUID(), fingerprint: "AAAA", turnClass: "TURN_CLASS_PERSON" },
      session: { ...(await resolve(GROUP)), sessionKey: GROUP },
      routeId: route?.routeId,
      messages: [{ role: "ROLE_USER", parts: [{ text: "are you there?" }] }],
    });
  }
});

/** Of docs/operations/backup.md, for the constellation as it is now, or was before it stopped. */
function backupBlock(index: number): Promise<string> {
  const page = openDocument("docs/operations/backup.md", lanekeeper);
  const block = page.blocks("sh")[index];
  if (block === undefined) throw new Error(`there is no block ${index}`);
  return page.paste(block);
}

test("docs/operations/backup.md: what was valid before the raise is refused after it, of before the backup and since", async () => {
  const since = await takeRights(lanekeeper, "guide:since");
  const kept = await resolve("demo:ada");
  const reset = (expectedGeneration: string) =>
    lanekeeper.call(`${IDENTITY}/RotateSession`, {
      ...{ requestId: randomUUID(), sessionKey: "agent:main:demo:ada" },
      ...{ reason: "ROTATION_REASON_RESET", expectedGeneration },
    });
  await reset(kept.generation);
  const lost = await resolve("demo:ada");
  await lanekeeper.stop();
  await backupBlock(1);
  lanekeeper = await start();
  expect(await resolve("demo:ada")).toEqual(kept);
  // Whoever lets people in now lets them in with all that they had.
  const accepted = { run: "accepted", reply: "accepted", watch: "accepted" };
  expect(await held.shownTo(lanekeeper)).toEqual(accepted);
  expect(await backupBlock(2)).toMatch(/[1-9]\d* keys lifted by 2\^32/);
  const stale = { run: "STALE_GENERATION", reply: "STALE_GENERATION" };
  expect(await held.shownTo(lanekeeper)).toEqual({ ...stale, watch: "RESUME_TOKEN_EXPIRED" });
  const { watch, ...gone } = await since.shownTo(lanekeeper);
  expect(watch).toBe("RESUME_TOKEN_EXPIRED");
  expect(Object.values(gone)).not.toContain("accepted");
  const raised = await resolve("demo:ada");
  expect(raised.generation).toBe(String(BigInt(kept.generation) + 2n ** 32n));
  const mismatch = { reason: "GENERATION_MISMATCH" };
  await expect(reset(lost.generation)).rejects.toMatchObject(mismatch);
  await expect(reset(kept.generation)).rejects.toMatchObject(mismatch);
  expect(await resolve("demo:ada")).toEqual(raised);
  const looked = await backupBlock(3);
  expect(looked).toMatch(/no problems found/);
  expect(looked).toContain(`parent      ${kept.sessionId}`);
  const page = openDocument("docs/operations/backup.md", lanekeeper);
  expect(page.blocks("sh")).toHaveLength(4);
});
