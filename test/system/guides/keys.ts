import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openDocument } from "../../support/document.ts";
import type { Guide } from "./guide.ts";

/** docs/keys.md, pasted. */
export function keysGuide(guide: Guide): void {
  test("docs/keys.md: keys are made, rotated, revoked, bound and limited as the page says", async () => {
    const page = openDocument("docs/keys.md", guide.lanekeeper);
    const [cli = "", first = "", rotated, revoked, , http = "", bound = "", limited] =
      await guide.paste(page, page.blocks("sh"));
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
    expect(await guide.isMine("shop.json")).toBe(true);
    expect(await guide.isMine("acme.json")).toBe(true);
    const keys = [...`${cli}${http}`.matchAll(/lk1_[0-9a-z]{16}_([0-9A-Za-z]{49})/g)];
    const logs = await readFile(join(guide.dataDir, "logs", "ingress.log"), "utf8");
    expect(keys.length).toBeGreaterThan(1);
    for (const [, secret = ""] of keys) expect(logs).not.toContain(secret);
  });
}
