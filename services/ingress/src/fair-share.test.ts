import { expect, test } from "vitest";
import { FairShare } from "./fair-share.ts";

/** How many of so many a tenant gets. */
function takes(share: FairShare, tenant: string, asked: number): number {
  return Array.from({ length: asked }, () => share.take(tenant)).filter(Boolean).length;
}

test("who has more than its share gets nothing of what is left, and others do", () => {
  const share = new FairShare(100);
  expect(takes(share, "crowd", 200)).toBe(80);
  expect(takes(share, "one", 5)).toBe(5);
  expect(takes(share, "another", 50)).toBe(15);
  expect(share.taken).toBe(100);
  expect(share.take("a third")).toBe(false);
  share.release("crowd");
  expect(share.take("crowd")).toBe(false);
  expect(share.take("a third")).toBe(true);
});

test("what is given back is anybody's again", () => {
  const share = new FairShare(10);
  for (let round = 0; round < 3; round++) {
    expect(takes(share, "crowd", 10)).toBe(8);
    for (let n = 0; n < 8; n++) share.release("crowd");
    expect(share.taken).toBe(0);
  }
});
