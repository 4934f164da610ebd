import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { openDocument } from "../../support/document.ts";
import { takeRights } from "../../support/held-rights.ts";
import { type Guide, IDENTITY } from "./guide.ts";

/** docs/operations/backup.md, pasted. */
export function backupGuide(guide: Guide): void {
  test("docs/operations/backup.md: what was valid before the raise is refused after it, of before the backup and since", async () => {
    const since = await takeRights(guide.lanekeeper, "guide:since");
    const kept = await guide.resolve("demo:ada");
    const reset = (expectedGeneration: string) =>
      guide.lanekeeper.call(`${IDENTITY}/RotateSession`, {
        ...{ requestId: randomUUID(), sessionKey: "agent:main:demo:ada" },
        ...{ reason: "ROTATION_REASON_RESET", expectedGeneration },
      });
    await reset(kept.generation);
    const lost = await guide.resolve("demo:ada");
    await guide.lanekeeper.stop();
    await guide.backupBlock(1);
    await guide.start();
    expect(await guide.resolve("demo:ada")).toEqual(kept);
    // Whoever lets people in now lets them in with all that they had.
    const accepted = { run: "accepted", reply: "accepted", watch: "accepted" };
    expect(await guide.held.shownTo(guide.lanekeeper)).toEqual(accepted);
    expect(await guide.backupBlock(2)).toMatch(/[1-9]\d* keys lifted by 2\^32/);
    const stale = { run: "STALE_GENERATION", reply: "STALE_GENERATION" };
    expect(await guide.held.shownTo(guide.lanekeeper)).toEqual({
      ...stale,
      watch: "RESUME_TOKEN_EXPIRED",
    });
    const { watch, ...gone } = await since.shownTo(guide.lanekeeper);
    expect(watch).toBe("RESUME_TOKEN_EXPIRED");
    expect(Object.values(gone)).not.toContain("accepted");
    const raised = await guide.resolve("demo:ada");
    expect(raised.generation).toBe(String(BigInt(kept.generation) + 2n ** 32n));
    const mismatch = { reason: "GENERATION_MISMATCH" };
    await expect(reset(lost.generation)).rejects.toMatchObject(mismatch);
    await expect(reset(kept.generation)).rejects.toMatchObject(mismatch);
    expect(await guide.resolve("demo:ada")).toEqual(raised);
    const looked = await guide.backupBlock(3);
    expect(looked).toMatch(/no problems found/);
    expect(looked).toContain(`parent      ${kept.sessionId}`);
    const page = openDocument("docs/operations/backup.md", guide.lanekeeper);
    expect(page.blocks("sh")).toHaveLength(4);
  });
}
