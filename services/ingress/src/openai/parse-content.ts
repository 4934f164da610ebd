import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { invalid } from "@lanekeeper/rpc";
import { type Part, PartSchema } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import type { JsonObject } from "../http/json-body.ts";
import {
  type Field,
  fieldOf,
  isAbsent,
  itemOf,
  requireList,
  requireObject,
  requireText,
} from "./field.ts";
import { dataUri, imageUri, mediaTypeOf } from "./file-uri.ts";

/** The kinds of content part of one role. */
export type PartKinds = ReadonlySet<string>;

export const TEXT_PARTS: PartKinds = new Set(["text"]);
export const ASSISTANT_PARTS: PartKinds = new Set(["text", "refusal"]);
export const USER_PARTS: PartKinds = new Set(["text", "image_url", "input_audio", "file"]);

const AUDIO_MEDIA_TYPES = new Map([
  ["wav", "audio/wav"],
  ["mp3", "audio/mpeg"],
]);

/**
 * The parts of a message's content: a text, or a list of content parts.
 * @throws INVALID_REQUEST naming the path of what cannot be taken.
 */
export function parseContent(content: Field, kinds: PartKinds, maxParts: number): Part[] {
  if (typeof content.value === "string") return [text(content.value)];
  if (!Array.isArray(content.value))
    throw invalid(content.path, "must be a string or a list of parts");
  const list = requireList(content);
  if (list.length === 0) throw invalid(content.path, "must have at least one part");
  if (list.length > maxParts) throw invalid(content.path, `may have ${maxParts} parts`);
  return list.map((item, index) => parsePart(itemOf(content, index, item), kinds));
}

function parsePart(field: Field, kinds: PartKinds): Part {
  const part = requireObject(field);
  const type = requireText(fieldOf(part, "type", field.path));
  if (!kinds.has(type)) {
    throw invalid(
      `${field.path}.type`,
      `must be ${[...kinds].join(" or ")} in a message of this role`,
    );
  }
  switch (type) {
    case "image_url":
      return image(part, field.path);
    case "input_audio":
      return audioPart(part, field.path);
    case "file":
      return file(part, field.path);
    default:
      return text(requireText(fieldOf(part, type, field.path)));
  }
}

/** A text part. */
export function text(value: string): Part {
  return create(PartSchema, { content: { case: "text", value } });
}

function image(part: JsonObject, at: string): Part {
  const image = fieldOf(part, "image_url", at);
  const url = fieldOf(requireObject(image), "url", image.path);
  return filePart({ source: { case: "uri", value: imageUri(url) }, mediaType: mediaTypeOf(url) });
}

export function audioPart(part: JsonObject, at: string): Part {
  const audio = fieldOf(part, "input_audio", at);
  const format = fieldOf(requireObject(audio), "format", audio.path);
  const mediaType = AUDIO_MEDIA_TYPES.get(requireText(format));
  if (mediaType === undefined) throw invalid(format.path, "must be wav or mp3");
  const data = fieldOf(requireObject(audio), "data", audio.path);
  return filePart({ source: { case: "uri", value: dataUri(data, mediaType) }, mediaType });
}

/** Files are taken with the message alone: nothing is kept here that a `file_id` could name. */
function file(part: JsonObject, at: string): Part {
  const file = fieldOf(part, "file", at);
  const given = requireObject(file);
  const id = fieldOf(given, "file_id", file.path);
  if (!isAbsent(id)) throw invalid(id.path, "uploaded files are not known here; send file_data");
  return givenFile(given, file.path);
}

/** A file by its `file_data` and `filename`. */
export function givenFile(given: JsonObject, at: string): Part {
  const data = fieldOf(given, "file_data", at);
  const name = fieldOf(given, "filename", at);
  const uri = dataUri(data, "application/octet-stream");
  return filePart({
    source: { case: "uri", value: uri },
    mediaType: mediaTypeOf({ path: data.path, value: uri }),
    fileName: isAbsent(name) ? "" : requireText(name),
  });
}

type FileInit = Extract<
  NonNullable<MessageInitShape<typeof PartSchema>["content"]>,
  { case: "file" }
>["value"];

export function filePart(value: FileInit): Part {
  return create(PartSchema, { content: { case: "file", value } });
}
