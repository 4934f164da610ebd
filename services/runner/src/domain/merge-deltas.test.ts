import { create } from "@bufbuild/protobuf";
import { AttachTurnResponseSchema } from "@lanekeeper/protocol/lanekeeper/runner/v1/runner_service";
import fc from "fast-check";
import { expect, test } from "vitest";
import { mergeDeltas } from "./merge-deltas.ts";

const text = (streamSeq: bigint, value: string) =>
  create(AttachTurnResponseSchema, { streamSeq, event: { case: "textDelta", value } });
const activity = (streamSeq: bigint) =>
  create(AttachTurnResponseSchema, {
    streamSeq,
    event: { case: "toolActivity", value: { name: "look", finished: false } },
  });

test("neighbouring pieces become one under the last number, across nothing else", () => {
  const merged = mergeDeltas([text(1n, "a"), text(2n, "b"), activity(3n), text(4n, "c")]);
  expect(merged).toEqual([text(2n, "ab"), activity(3n), text(4n, "c")]);
});

test("the text and the last number stay, however it came", () => {
  fc.assert(
    fc.property(fc.array(fc.option(fc.string(), { nil: undefined })), (pieces) => {
      const events = pieces.map((piece, index) =>
        piece === undefined ? activity(BigInt(index)) : text(BigInt(index), piece),
      );
      const merged = mergeDeltas(events);
      const said = (list: typeof events) =>
        list.map(({ event }) => (event.case === "textDelta" ? event.value : "|")).join("");
      expect(said(merged)).toBe(said(events));
      expect(merged.at(-1)?.streamSeq).toBe(events.at(-1)?.streamSeq);
    }),
  );
});
