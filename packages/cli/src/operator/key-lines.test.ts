import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { ApiKeySchema } from "@lanekeeper/protocol/lanekeeper/ingress/v1/api_key_service";
import { expect, test } from "vitest";
import { keyLine, keyLines } from "./key-lines.ts";

const at = timestampFromDate(new Date("2026-01-02T03:04:05.000Z"));
const rotated = { apiKeyId: "k1", scopes: ["chat"], createTime: at, previousExpireTime: at };

test("a rotated key tells how long its text before is valid; a revoked one has no valid text", () => {
  const key = create(ApiKeySchema, rotated);
  expect(keyLine(key)).toContain("the text before is valid until 2026-01-02");
  expect(keyLines(key).join()).toContain("text before valid until 2026-01-02");
  const revoked = create(ApiKeySchema, { ...rotated, revokeTime: at });
  expect(keyLine(revoked)).toBe("k1  chat, revoked 2026-01-02T03:04:05.000Z, never used");
  expect(keyLines(revoked).join()).not.toContain("valid");
});
