import { createHash, randomUUID } from "node:crypto";
import { access, readFile } from "node:fs/promises";
import { join } from "node:path";

import {
  createEdgeClients,
  createIdentityClient,
  type EdgeClients,
  followSessions,
  type IdentityClient,
} from "@lanekeeper/client";
import { TurnClass } from "@lanekeeper/protocol/lanekeeper/identity/v1/lifecycle";
import {
  RotationReason,
  type SessionRef,
} from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import { Role } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import { TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { eventually, startConstellation } from "@lanekeeper/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { openDocument } from "../support/document.ts";

let lanekeeper: Awaited<ReturnType<typeof startConstellation>>;
let edge: EdgeClients;
let identity: IdentityClient;

beforeAll(async () => {
  lanekeeper = await startConstellation();
  edge = createEdgeClients({ baseUrl: lanekeeper.baseUrl, apiKey: lanekeeper.apiKey });
  identity = createIdentityClient({
    target: lanekeeper.targets["session-identity"],
    credential: lanekeeper.credential("cli"),
    defaults: { tenant: "default", principal: "test" },
    waitForReady: true,
  });
});
afterAll(async () => {
  identity?.$close();
  await lanekeeper?.stop();
});

async function resolve(rawKey: string): Promise<SessionRef> {
  const name = { case: "rawKey" as const, value: rawKey };
  const { session } = await identity.resolveSession({ name });
  if (session?.ref === undefined) throw new Error("an answer has a session");
  return session.ref;
}

async function reset(ref: SessionRef): Promise<void> {
  const { sessionKey, generation: value } = ref;
  const request = {
    ...{ requestId: randomUUID(), sessionKey, reason: RotationReason.RESET },
    precondition: { case: "expectedGeneration", value } as const,
  };
  // A killed service is away for seconds.
  await identity.rotateSession(request, { timeoutMs: 60_000 });
}

describe("the README of packages/client", () => {
  const page = () => openDocument("packages/client/README.md", lanekeeper);

  test("the example resolves, shows the fence, resets, is refused, and watches", async () => {
    const [example = ""] = page().blocks("sh");
    const said = await page().paste(example);
    const lines = said
      .trim()
      .split("\n")
      .map((line) => line.replace(/[0-9a-f-]{36}/g, "<id>"));
    const key = "agent:main:demo:example, <id>, generation";
    expect(lines).toEqual([
      `resolved   demo:example to ${key} 1`,
      `fence      ${key} 1, run_id of the next run, run_epoch 1`,
      `reset      ${key} 2`,
      "refused    GENERATION_MISMATCH: generation 2 is there",
      `watched    ${key} 2, revision 2`,
    ]);
  });

  test("its code does what its comments say", async () => {
    const [inside = "", outside = "", ...rest] = page().blocks("ts");
    expect(rest).toEqual([]);
    expect(await page().run(inside)).toBe("agent:main:ticket:77 1n\n");
    expect(await page().run(outside)).toBe(
      "default chat adapter operator admin\nagent:main:ticket:77 1n\n",
    );
  });

  test("buf curl needs no client at all", async () => {
    const [, curl = "", ...rest] = page().blocks("sh");
    expect(rest).toEqual([]);
    expect(JSON.parse(await page().paste(curl))).toMatchObject({
      session: { ref: { sessionKey: "agent:main:ticket:77" } },
    });
  });

  test("what it links to is there", async () => {
    const folder = join(import.meta.dirname, "../../packages/client");
    const text = await readFile(join(folder, "README.md"), "utf8");
    const links = [...text.matchAll(/\]\((?!http)([^)]+)\)/g)].map(([, link = ""]) => link);
    expect(links.length).toBeGreaterThan(3);
    for (const link of links) await access(join(folder, link));
  });
});

describe("with an API key, at the edge", () => {
  test("a turn is submitted and followed to its end", async () => {
    const session = await resolve("edge:1");
    const text = "hello from the edge";
    const submit = {
      idempotencyKey: "edge/1",
      fingerprint: createHash("sha256").update(text).digest(),
      target: { case: "session" as const, value: session },
      turnClass: TurnClass.PERSON,
      messages: [{ role: Role.USER, parts: [{ content: { case: "text" as const, value: text } }] }],
    };
    const seen: (string | undefined)[] = [];
    const target = { case: "submit" as const, value: submit };
    for await (const { event } of edge.runner.attachTurn({ target })) {
      seen.push(event.case);
      if (event.case === "ended") {
        expect(event.value).toMatchObject({ state: TurnState.COMPLETED, session });
      }
    }
    expect([seen.at(0), seen.at(-1)]).toEqual(["accepted", "ended"]);
  });

  test("what only a runner may is refused", async () => {
    await expect(edge.identity.beginRun({})).rejects.toMatchObject({
      reason: "PERMISSION_DENIED",
    });
  });
});

describe("a followed watch", () => {
  test.each(["inside", "at the edge"])(
    "%s survives kill -9 of session-identity, and misses nothing",
    async (where) => {
      const prefix = `agent:main:follow:${where.replaceAll(" ", "-")}`;
      const leaving = new AbortController();
      const { signal } = leaving;
      const generations = new Map<string, bigint>();
      const feed = where === "inside" ? identity : edge.identity;
      let isCaughtUp = false;
      const following = (async () => {
        for await (const { event } of followSessions(
          feed,
          { sessionKeyPrefix: prefix },
          { signal },
        )) {
          if (event.case === "snapshotEnd") isCaughtUp = true;
          if (event.case !== "changed" || event.value.ref === undefined) continue;
          generations.set(event.value.ref.sessionKey, event.value.ref.generation);
        }
      })();
      await eventually(async () => isCaughtUp, { what: "the snapshot" });
      const session = await resolve(`${prefix}:a`);
      await eventually(async () => generations.get(session.sessionKey) === 1n);
      await lanekeeper.kill("session-identity");
      await reset(session);
      await eventually(async () => generations.get(session.sessionKey) === 2n, {
        timeoutMs: 60_000,
        what: "the reset is told of",
      });
      leaving.abort();
      await following;
    },
  );
});
