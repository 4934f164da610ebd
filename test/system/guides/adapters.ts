import { randomUUID } from "node:crypto";
import { eventually, isSignedWith } from "@lanekeeper/testing";
import { describe, expect, test } from "vitest";
import { openDocument } from "../../support/document.ts";
import { GROUP, type Guide, IDENTITY, RUNNER } from "./guide.ts";

/** docs/adapters.md, pasted. */
export function adaptersGuide(guide: Guide): void {
  describe("docs/adapters.md", () => {
    const FIRST_SUBMIT = 4;
    const page = () => openDocument("docs/adapters.md", guide.lanekeeper);

    test("a name is bound and resolved, a route registered, a turn submitted and answered", async () => {
      const blocks = page()
        .blocks("sh")
        .slice(0, FIRST_SUBMIT + 1);
      const [, bound = "", ref = "", route = "", submitted = ""] = await guide.paste(
        page(),
        blocks,
      );
      expect(bound).toContain('"source":"telegram-bot/1.0"');
      expect(bound).toContain('"sessionKey":"agent:main:ticket:77"');
      expect(JSON.parse(ref)).toMatchObject({ sessionKey: GROUP, generation: "1" });
      const { signingSecret } = JSON.parse(route) as { signingSecret: string };
      expect(JSON.parse(submitted)).toMatchObject({ disposition: "DISPOSITION_STARTED" });
      const posted = await guide.sink.post(0);
      expect(isSignedWith(posted, signingSecret)).toBe(true);
      expect(posted.json).toMatchObject({
        type: "reply",
        session: { key: GROUP, generation: 1 },
        text: expect.stringContaining("1. user: Hello"),
      });
    });

    test("repeats join, two resets are one, a second name leads to the same conversation", async () => {
      const said = await guide.paste(page(), page().blocks("sh"));
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
      expect(guide.sink.posts).toHaveLength(1);
    });

    test("a turn that requires the generation it saw ends FAILED where that is gone", async () => {
      const seen = await guide.resolve("guide:required");
      const sessionKey = "agent:main:guide:required";
      const reset = { requestId: randomUUID(), sessionKey, reason: "ROTATION_REASON_RESET" };
      await guide.lanekeeper.call(`${IDENTITY}/RotateSession`, reset);
      const key = { idempotencyKey: "guide/required", fingerprint: "AAAA" };
      await guide.lanekeeper.call(`${RUNNER}/SubmitTurn`, {
        ...{ ...key, session: seen, requireGeneration: true, turnClass: "TURN_CLASS_PERSON" },
        messages: [{ role: "ROLE_USER", parts: [{ text: "yes" }] }],
      });
      const ended = await eventually(async () => {
        const { turn } = await guide.lanekeeper.call(`${RUNNER}/FindTurn`, key);
        return (turn as { endTime?: string }).endTime === undefined ? undefined : turn;
      });
      expect(ended).toMatchObject({
        state: "TURN_STATE_FAILED",
        errorReason: "GENERATION_MISMATCH",
      });
    });
  });
}
