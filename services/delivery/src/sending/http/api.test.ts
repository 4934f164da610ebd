import { systemClock } from "@lanekeeper/service";
import { expect, test } from "vitest";
import { LIMITS } from "../../limits.ts";
import { callApi } from "./api.ts";

test("a resolver that hangs keeps a call of a platform no longer than connecting may", async () => {
  const answer = await callApi(
    {
      resolve: () => new Promise(() => undefined),
      clock: systemClock,
      limits: { ...LIMITS, connectMs: 20 },
      version: "1.2.3",
    },
    {
      url: new URL("https://api.telegram.example/"),
      headers: {},
      body: "",
      signal: new AbortController().signal,
      beforeSend: () => Promise.reject(new Error("nothing was connected")),
    },
  );
  expect(answer).toEqual({
    kind: "no_connection",
    error: expect.stringContaining("not done within 20 ms"),
  });
});
