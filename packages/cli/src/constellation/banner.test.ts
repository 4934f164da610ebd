import { execFile } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { once } from "node:events";
import { join } from "node:path";
import { promisify } from "node:util";
import { readSettings } from "@lanekeeper/service";
import { expect, test } from "vitest";
import { defaultConfig } from "../config/default.ts";
import { FAKE_ENV } from "../fixtures/fake-constellation.ts";
import { testFolder } from "../fixtures/folder.ts";
import { banner, curl } from "./banner.ts";
import { planPorts } from "./ports.ts";

const run = promisify(execFile);

test("the curl to paste works as it stands, also where the folder has an odd name", async () => {
  await using folder = await testFolder();
  const odd = join(folder.path, 'a "b" $c `d` \\e');
  await mkdir(odd);
  await writeFile(join(odd, "api-key"), "lk_secret\n");
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (part) => (body += part));
    request.on("end", () =>
      response.end(JSON.stringify({ body, headers: request.headers, url: request.url })),
    );
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const command = curl(`http://127.0.0.1:${port}`, { apiKeyFile: join(odd, "api-key") });
  const { stdout } = await run("sh", [
    "-c",
    `${command.replace(/^curl/, "curl -s --noproxy '*'")}`,
  ]);
  const { body, headers, url } = JSON.parse(stdout);
  expect(url).toBe("/v1/chat/completions");
  expect(headers).toMatchObject({
    authorization: "Bearer lk_secret",
    "x-session-key": "first-steps",
  });
  expect(JSON.parse(body)).toEqual({
    model: "lanekeeper",
    messages: [{ role: "user", content: "Hello" }],
  });
  server.close();
  await once(server, "close");
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
