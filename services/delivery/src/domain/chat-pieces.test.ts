import { create } from "@bufbuild/protobuf";
import {
  type OutboundPart,
  OutboundPartSchema,
} from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery";
import { expect, test } from "vitest";
import { chatPieces, type Piece } from "./chat-pieces.ts";
import { utf16Units } from "./split-text.ts";

const part = (content: OutboundPart["content"], fileName = "") =>
  create(OutboundPartSchema, { content, fileName });
const pieces = (...parts: readonly OutboundPart[]): Piece[] =>
  chatPieces(parts, 0, { limit: 100, sizeOf: utf16Units });

test("an empty file, which no chat takes, is told in words and keeps nothing else back", () => {
  const found = pieces(
    part({ case: "text", value: "here:" }),
    part({ case: "fileData", value: new Uint8Array() }, "log.txt"),
    part({ case: "fileUri", value: "data:text/plain," }),
    part({ case: "text", value: "done" }),
  );
  expect(found).toEqual([
    { kind: "text", text: "here:" },
    { kind: "text", text: "(The file log.txt is empty.)" },
    { kind: "text", text: "(The file file.plain is empty.)" },
    { kind: "text", text: "done" },
  ]);
});

test.each([
  ["base64", "data:image/png;base64,iVBO", [0x89, 0x50, 0x4e]],
  ["base64 that is escaped", "data:;base64,%69VBO", [0x89, 0x50, 0x4e]],
  ["bytes that are no text", "data:image/png,%89PN", [0x89, 0x50, 0x4e]],
  ["text", "data:,%C3%A9%20", [0xc3, 0xa9, 0x20]],
  ["text that should have been escaped", "data:,\u00e9", [0xc3, 0xa9]],
])("a data URI is its bytes: %s", (_what, value, bytes) => {
  const [piece] = pieces(part({ case: "fileUri", value }));
  expect(piece?.kind === "file" && [...piece.bytes]).toEqual(bytes);
});
