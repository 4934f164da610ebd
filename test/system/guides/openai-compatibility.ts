import { expect, test } from "vitest";
import { openDocument } from "../../support/document.ts";
import type { Guide } from "./guide.ts";

/** docs/openai-compatibility.md, pasted. */
export function openAiGuide(guide: Guide): void {
  test("docs/openai-compatibility.md: a tenant's settings are read, changed and put back", async () => {
    const page = openDocument("docs/openai-compatibility.md", guide.lanekeeper);
    const get = () => guide.lanekeeper.call("ingress.v1.IngressService/GetTenantSettings", {});
    const before = await get();
    const [said = "", ...none] = await guide.paste(page, page.blocks("sh"));
    const versions = [...said.matchAll(/"version":"(\d+)"/g)].map(([, version]) => Number(version));
    expect(versions).toEqual([versions[0], (versions[0] ?? 0) + 1]);
    expect((await get())["settings"]).toEqual(before["settings"]);
    expect(none).toEqual([]);
  });
}
