import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { readSettings } from "@lanekeeper/service";
import { expect, test } from "vitest";
import { defaultConfig } from "../config/default.ts";
import { FAKE_ENV } from "../fixtures/fake-constellation.ts";
import { pastedCurl } from "../fixtures/pasted-curl.ts";
import { testFolder } from "../fixtures/folder.ts";
import { banner, curl } from "./banner.ts";
import { planPorts } from "./ports/ports.ts";

test("the curl to paste works as it stands, also where the folder has an odd name", async () => {
  await using folder = await testFolder();
  const odd = join(folder.path, 'a "b" $c `d` \\e');
  await mkdir(odd);
  await writeFile(join(odd, "api-key"), "lk_secret\n");
  const command = curl("http://127.0.0.1:8080", { apiKeyFile: join(odd, "api-key") });
  const { url, headers, body } = await pastedCurl(command);
  expect(url).toBe("http://127.0.0.1:8080/v1/chat/completions");
  expect(headers).toEqual({
    Authorization: "Bearer lk_secret",
    "Content-Type": "application/json",
    "x-session-key": "first-steps",
  });
  expect(JSON.parse(body)).toEqual({
    model: "lanekeeper",
    messages: [{ role: "user", content: "Hello" }],
  });
});

test("says where everything is, and that a scripted model is scripted", async () => {
  const ports = await planPorts(readSettings(FAKE_ENV));
  const model = { kind: "scripted", because: "no model endpoint is configured" } as const;
  const credentials = { clusterSecret: "s", apiKey: "lk_x", apiKeyFile: "/data/api-key" };
  const lines = banner({
    ports,
    credentials,
    config: defaultConfig(model),
    model,
    logs: "/data/logs",
  });
  expect(lines[0]).toBe("lanekeeper ready");
  const text = lines.join("\n");
  expect(text).toContain(`http://127.0.0.1:${ports.http.port}/v1`);
  expect(text).toContain("scripted: built in, no language model");
  expect(text).toContain("/data/api-key");
  expect(text).not.toContain("lk_x");
});
