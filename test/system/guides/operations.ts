import { randomUUID } from "node:crypto";
import { createIdentityClient } from "@lanekeeper/client";
import { eventually, isSignedWith } from "@lanekeeper/testing";
import { beforeAll, describe, expect, test } from "vitest";
import { openAi, say } from "../../support/client.ts";
import { type Document, openDocument } from "../../support/document.ts";
import { takeRights } from "../../support/held-rights.ts";
import { refused } from "../../support/refused.ts";
import { DELIVERY, GROUP, type Guide, IDENTITY, RUNNER } from "./guide.ts";

/** docs/operations/README.md, pasted. */
export function operationsGuide(guide: Guide): void {
  describe("docs/operations", () => {
    let document: Document;
    let addresses: Record<string, string>;
    const pasted = new Set<string>();

    beforeAll(async () => {
      document = openDocument("docs/operations/README.md", guide.lanekeeper);
      const { services } = await guide.lanekeeper.state();
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
      const ended = refused(say(openAi(guide.lanekeeper), "demo:ada", "wait\n!sleep 100s"));
      await eventually(
        async () => {
          const request = { runningOnly: true, sessionKeyPrefix: "agent:main:demo:ada" };
          const { sessions } = await guide.lanekeeper.call(`${IDENTITY}/ListSessions`, request);
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

    test("a conversation is erased: what would go is told, then it begins anew", async () => {
      const before = await guide.resolve("demo:ada");
      const said = await paste("A conversation to be erased");
      expect(said).toMatch(/^session id {2}[0-9a-f-]{36}$/m);
      expect(said).toMatch(/^key {9}agent:main:demo:ada through generation \d+$/m);
      expect(said).toMatch(/agent:main:demo:ada {2}being removed \(.*by bootstrap: ticket 8$/m);
      const after = await guide.resolve("demo:ada");
      expect(after.generation).toBe(String(BigInt(before.generation) + 1n));
    });

    test("how full a runner is, and by whom, is told", async () => {
      const told = await untilTold("Everybody waits", '"tenant":"default"');
      expect(told).toMatch(/^lanekeeper_runs_active\{service="runner"\} \d+$/m);
      expect(told).toMatch(/^ *[1-9]\d* "tenant":"default"$/m);
    });

    test("a storm of STALE is counted, and its refusals told", async () => {
      const told = await untilTold("A storm of STALE", "refused STALE_GENERATION");
      expect(told).toMatch(/identity_refused_total\{.*reason="STALE_GENERATION".*\} [1-9]/);
      expect(told).toMatch(
        / {2}rotate {2}accepted RESET {2}.*by bootstrap: poisoned history, ticket 7/,
      );
    });

    test("replies that wait are listed, and UNKNOWN ones after a reset, which are dead letters", async () => {
      guide.sink.always({ cut: true });
      await submitWithRoute();
      const waiting = await untilTold("Replies that wait", '"lastError"');
      expect(waiting).toMatch(/outbox_handovers_total\{.*result="accepted".*\} [1-9]/);
      expect(waiting).toContain("lanekeeper_delivery_open");
      const reset = { requestId: randomUUID(), sessionKey: GROUP, reason: "ROTATION_REASON_RESET" };
      await guide.lanekeeper.call(`${IDENTITY}/RotateSession`, reset);
      const [unknown] = await guide.deliveries("UNKNOWN");
      expect(await paste("UNKNOWN replies")).toContain(unknown?.deliveryId);
      expect(await paste("Dead letters")).toMatch(new RegExp(`${unknown?.deliveryId}.*UNKNOWN`));
      expect(guide.sink.posts.at(-1)?.id).toBe(unknown?.deliveryId);
    });

    test("a lost replica, and a full disk, are looked for", async () => {
      expect(await paste("A lost replica")).toContain("lanekeeper_takeovers_total");
      expect(await paste("Postgres is full, or away")).toMatch(/no problems found[^]*\d+%/);
      expect(await paste("Schedules that did not run")).toContain("no schedules");
    });

    test("fences are raised once, and the journal tells", async () => {
      const { generation } = await guide.resolve("demo:ada");
      const first = await paste("After a restore");
      expect(first).toMatch(/[1-9]\d* keys lifted by 2\^32/);
      expect(await paste("After a restore")).toBe(first);
      expect((await guide.resolve("demo:ada")).generation).toBe(
        String(BigInt(generation) + 2n ** 32n),
      );
      expect(await paste("After a restore", 1)).toMatch(
        /raise_fences {2}accepted MIGRATION {2}.*request restore-2026-11-20.*: restored last night's backup/,
      );
    });

    test("a new signing secret is told, and signs beside the old one", async () => {
      guide.sink.always({});
      const before = guide.sink.posts.length;
      const { signingSecret } = JSON.parse(await paste("A new signing secret")) as Record<
        string,
        string
      >;
      await submitWithRoute();
      const posted = await guide.sink.post(before);
      expect(isSignedWith(posted, signingSecret ?? "")).toBe(true);
      expect(String(posted.headers["webhook-signature"]).split(" ")).toHaveLength(2);
    });

    test("secrets are made anew and a backup taken while everything is stopped; conversations stay", async () => {
      const before = await guide.resolve("demo:ada");
      const old = { key: guide.lanekeeper.apiKey, credential: guide.lanekeeper.credential("cli") };
      expect(await paste("A new cluster secret")).toContain("no problems found");
      guide.held = await takeRights(guide.lanekeeper, "guide:held");
      await guide.lanekeeper.stop();
      await paste("A new cluster secret", 1);
      await paste("A new API key");
      await guide.backupBlock(0);
      expect(await guide.isMine("backup.tar.gz")).toBe(true);
      await guide.start();
      expect(guide.lanekeeper.apiKey).not.toBe(old.key);
      expect(await guide.resolve("demo:ada")).toEqual(before);
      const target = guide.lanekeeper.targets["session-identity"];
      using identity = createIdentityClient({ target, credential: old.credential });
      await expect(identity.getSession({}, { tenant: "default" })).rejects.toMatchObject({
        reason: "UNAUTHENTICATED",
      });
    });

    test("there is no block that was not tried", () => {
      expect(document.blocks("sh").filter((block) => !pasted.has(block))).toEqual([]);
    });

    async function submitWithRoute(): Promise<void> {
      const { routes } = await guide.lanekeeper.call(`${DELIVERY}/ListRoutes`, {
        sessionKey: GROUP,
      });
      const [route] = routes as { routeId: string }[];
      await guide.lanekeeper.call(`${RUNNER}/SubmitTurn`, {
        ...{ idempotencyKey: randomUUID(), fingerprint: "AAAA", turnClass: "TURN_CLASS_PERSON" },
        session: { ...(await guide.resolve(GROUP)), sessionKey: GROUP },
        routeId: route?.routeId,
        messages: [{ role: "ROLE_USER", parts: [{ text: "are you there?" }] }],
      });
    }
  });
}
