import { create } from "@bufbuild/protobuf";
import { FilePartSchema } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import { expect, test } from "vitest";
import { ReplyFiles } from "./reply-files.ts";

const LIMITS = { filesPerTurn: 3, fileBytes: 10, fileBytesPerTurn: 18 };

function file(fileName: string, bytes: number) {
  const source = { case: "data" as const, value: new Uint8Array(bytes) };
  return create(FilePartSchema, { source, fileName, mediaType: "image/png" });
}

const names = (files: ReplyFiles) => files.all.map(({ fileName }) => fileName);

test("what fits goes with the answer, in order, and the model is told so", () => {
  const files = new ReplyFiles(LIMITS);
  const { kept, note } = files.take([file("a", 2), file("b", 3)]);
  expect(kept).toEqual(files.all);
  expect(note).toBe(
    "[a, image/png, 2 bytes: goes with your answer]\n[b, image/png, 3 bytes: goes with your answer]",
  );
});

test.each([
  ["too large", [file("a", 11)], []],
  ["too large together", [file("a", 10), file("b", 9), file("c", 8)], ["a", "c"]],
  ["too many", [1, 2, 3, 4].map((n) => file(`${n}`, 1)), ["1", "2", "3"]],
])("what is %s is left out, and the model is told the bounds", (_what, made, kept) => {
  const files = new ReplyFiles(LIMITS);
  const { note, leftOut } = files.take(made);
  expect(names(files)).toEqual(kept);
  expect(leftOut).toBe(1);
  expect(note).toContain(
    "[files left out: 1; an answer takes 3 files of 10 bytes, 18 bytes together]",
  );
});

test("what an earlier run kept counts", () => {
  const files = new ReplyFiles(LIMITS);
  files.adopt([file("a", 10)], 1);
  files.take([file("b", 9), file("c", 8)]);
  expect(names(files)).toEqual(["a", "c"]);
  expect(files.tellLeftOut()).toContain("2 files could not be sent");
});

test("who asked is told once of what is not with the answer, and of what comes to it later", () => {
  const files = new ReplyFiles({ ...LIMITS, fileBytes: 2 ** 20, fileBytesPerTurn: 2 ** 21 });
  files.take([file("a", 1)]);
  expect(files.tellLeftOut()).toBe("");
  files.take([file("b", 2 ** 20 + 1)]);
  expect(files.tellLeftOut()).toBe(
    "(A file could not be sent with this answer: an answer takes 3 files of 1 MiB, 2 MiB together.)",
  );
  expect(files.tellLeftOut()).toBe("");
  files.take([1, 2, 3].map((n) => file(`${n}`, 2 ** 20 + n)));
  expect(files.tellLeftOut()).toContain("(3 files could not be sent");
});
