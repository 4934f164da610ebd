import { EnvError, readSettings } from "@lanekeeper/service";
import { expect, test } from "vitest";
import { readConfig } from "./config.ts";

const settings = readSettings({
  DATABASE_URL: "postgres://127.0.0.1/x",
  LANEKEEPER_CLUSTER_SECRET: "test-secret-test-secret-test-secret",
});
const kept = (days: string) => readConfig(settings, { LANEKEEPER_KEEP_CONVERSATIONS_DAYS: days });

test("conversations are kept for ever, or for so many days", async () => {
  expect((await kept("")).keepConversationsMs).toBeUndefined();
  expect((await kept("90")).keepConversationsMs).toBe(90 * 86_400_000);
});

test.each(["1", "0", "-3", "90d", "40000"])("they are not kept for %s", async (days) => {
  await expect(kept(days)).rejects.toThrow(EnvError);
  await expect(kept(days)).rejects.toThrow("LANEKEEPER_KEEP_CONVERSATIONS_DAYS");
});
