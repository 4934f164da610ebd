import { create } from "@bufbuild/protobuf";
import { ExplainKeyResponseSchema } from "@lanekeeper/protocol/lanekeeper/identity/v1/identity_service";
import { permissionDenied, toStatus } from "@lanekeeper/rpc";
import { expect, test } from "vitest";
import { explainLines } from "./explain-lines.ts";

const answer = (refusal: Error) =>
  explainLines(create(ExplainKeyResponseSchema, { refusal: toStatus(refusal) }));

test("of a name out of the key's bounds it is not said that it was never seen", () => {
  const lines = answer(permissionDenied("not bound to", { bound_by: "session_key_prefixes" }));
  expect(lines).toEqual([
    "rules:",
    "a call with this name is refused: not bound to",
    "whether it was seen, and what stands there, is not told to a key that is bound elsewhere",
  ]);
});

test("of another refused name it is said what is known", () => {
  expect(answer(permissionDenied("the scope is missing"))).toContain("never seen");
});
