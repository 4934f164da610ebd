import { randomUUID } from "node:crypto";
import { ErasureState } from "@lanekeeper/protocol/lanekeeper/identity/v1/erasure";
import { expect, test } from "vitest";
import { testDatabase } from "../testing/database.ts";
import { endNow, erase, rawName, removeAll, startErasing } from "../testing/erasing.ts";

const database = testDatabase();

test("that fences are raised is nobody's return, and a name that comes back goes on behind that too", async () => {
  const erasing = await startErasing(database.open());
  const { cli, ingress } = erasing;
  await ingress.resolveSession(rawName("chat"));
  const erasureId = await erase(erasing, "agent:main:chat");
  await cli.raiseFences({ requestId: randomUUID() });
  await removeAll(erasing, erasureId);
  await endNow(erasing);
  const { erasure } = await cli.getErasure({ erasureId });
  expect(erasure).toMatchObject({ state: ErasureState.ERASED, returned: false });
  const { session } = await ingress.resolveSession(rawName("chat"));
  expect(session?.ref?.generation).toBe(2n ** 32n + 3n);
});
