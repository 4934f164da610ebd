import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { ExplainKeyResponseSchema } from "@lanekeeper/protocol/lanekeeper/identity/v1/identity_service";
import { permissionDenied, toStatus } from "@lanekeeper/rpc";
import { expect, test } from "vitest";
import { explainLines } from "./explain-lines.ts";

const KEY = "agent:main:a";

/** So many changes of generation, newest first, the oldest of them to generation `to`. */
function rotationsFrom(to: number, count: number) {
  return Array.from({ length: count }, (_, index) => {
    const generation = BigInt(to + count - 1 - index);
    const current = { sessionKey: KEY, generation };
    return { current, previous: { sessionKey: KEY, generation: generation - 1n } };
  });
}

const told = (init: MessageInitShape<typeof ExplainKeyResponseSchema>) =>
  explainLines(create(ExplainKeyResponseSchema, init)).filter((line) =>
    line.includes("older ones"),
  );

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

test("what an explanation leaves out is said, and which command lists it", () => {
  const journal = [{ sessionKey: KEY, count: 1 }];
  expect(told({ rotations: rotationsFrom(3, 50), journal, nextPageToken: "t" })).toEqual([
    `  and older ones: "lanekeeper sessions rotations ${KEY}"`,
    `  and older ones: "lanekeeper sessions journal ${KEY}"`,
  ]);
  expect(told({ rotations: rotationsFrom(2, 50), journal })).toEqual([]);
  expect(told({ rotations: rotationsFrom(3, 1), journal })).toEqual([]);
});
