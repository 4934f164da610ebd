import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { TelegramApi } from "./api.ts";

async function apiThat(answer: (response: ServerResponse) => void): Promise<TelegramApi> {
  const server = createServer((_request, response) => answer(response)).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return new TelegramApi(new URL(`http://127.0.0.1:${port}/`), "7:token");
}

const call = (api: TelegramApi) => api.call("getUpdates", {}, new AbortController().signal);

test("an answer is its result, or why there is none", async () => {
  expect(await call(await apiThat((response) => response.end('{"ok":true,"result":[1]}')))).toEqual(
    {
      result: [1],
    },
  );
  const broken = await call(await apiThat((response) => response.end("<html>")));
  expect(broken).toMatchObject({ refusal: { code: 0 } });
});

test.each([
  [7, 7_000],
  [1e300, 3_600_000],
  [-5, 0],
  ["7", undefined],
])("a retry_after of %j is %j ms", async (retry_after, retryAfterMs) => {
  const said = { ok: false, error_code: 429, parameters: { retry_after } };
  const api = await apiThat((response) => response.end(JSON.stringify(said)));
  expect(await call(api)).toMatchObject({ refusal: { code: 200, retryAfterMs } });
});

test("one without end is not read to its end", async () => {
  const api = await apiThat((response) => {
    const more = (): void => {
      if (!response.destroyed) response.write(" ".repeat(1024 * 1024), () => setImmediate(more));
    };
    more();
  });
  expect(await call(api)).toMatchObject({ refusal: { code: 200 } });
});
