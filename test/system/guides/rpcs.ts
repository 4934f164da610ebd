import { expect, test } from "vitest";
import { openDocument } from "../../support/document.ts";
import type { Guide } from "./guide.ts";

/** docs/operations/rpcs.md, pasted. */
export function rpcsGuide(guide: Guide): void {
  test("docs/operations/rpcs.md: each of the operators' RPCs answers as the page says", async () => {
    const page = openDocument("docs/operations/rpcs.md", guide.lanekeeper);
    const [, ref = "", explained, listed, , lane, cancelled, rotated, journal, ...more] = (
      await guide.paste(page, page.blocks("sh"))
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
}
