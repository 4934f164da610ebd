import { invalid } from "@lanekeeper/rpc";
import { type Part, Role } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import type { JsonObject } from "../../http/json-body.ts";
import {
  type Field,
  fieldOf,
  isAbsent,
  itemOf,
  requireList,
  requireObject,
  requireText,
} from "../field.ts";
import { imageUri, mediaTypeOf } from "../file-uri.ts";
import { audioPart, filePart, givenFile, text } from "../parse-content.ts";

type ReadPart = (part: JsonObject, at: string) => Part;

const TEXT: ReadPart = (part, at) => text(requireText(fieldOf(part, "text", at)));

const USER_PARTS: Readonly<Record<string, ReadPart>> = {
  input_text: TEXT,
  input_image: image,
  input_file: file,
  input_audio: audioPart,
};

const ASSISTANT_PARTS: Readonly<Record<string, ReadPart>> = {
  output_text: TEXT,
  refusal: (part, at) => text(requireText(fieldOf(part, "refusal", at))),
};

const TEXT_PARTS: Readonly<Record<string, ReadPart>> = { input_text: TEXT };

/**
 * The parts of an input message: a text, or a list of content parts.
 * @throws INVALID_REQUEST naming the path of what cannot be taken.
 */
export function parseInputContent(content: Field, role: Role, maxParts: number): Part[] {
  switch (role) {
    case Role.USER:
      return parseParts(content, USER_PARTS, maxParts);
    case Role.ASSISTANT:
      return parseParts(content, ASSISTANT_PARTS, maxParts);
    default:
      return parseParts(content, TEXT_PARTS, maxParts);
  }
}

/** What a client's tool answered: texts alone, as models read no others from tools everywhere. */
export function parseOutputText(output: Field, maxParts: number): string {
  return parseParts(output, TEXT_PARTS, maxParts)
    .map(({ content }) => (content.case === "text" ? content.value : ""))
    .join("");
}

function parseParts(
  content: Field,
  kinds: Readonly<Record<string, ReadPart>>,
  maxParts: number,
): Part[] {
  if (typeof content.value === "string") return [text(content.value)];
  if (!Array.isArray(content.value)) {
    throw invalid(content.path, "must be a string or a list of parts");
  }
  const list = requireList(content);
  if (list.length === 0) throw invalid(content.path, "must have at least one part");
  if (list.length > maxParts) throw invalid(content.path, `may have ${maxParts} parts`);
  return list.map((item, index) => parsePart(itemOf(content, index, item), kinds));
}

function parsePart(field: Field, kinds: Readonly<Record<string, ReadPart>>): Part {
  const part = requireObject(field);
  const type = fieldOf(part, "type", field.path);
  const name = requireText(type);
  const read = Object.hasOwn(kinds, name) ? kinds[name] : undefined;
  if (read !== undefined) return read(part, field.path);
  throw invalid(type.path, `must be ${Object.keys(kinds).join(" or ")} here`);
}

function image(part: JsonObject, at: string): Part {
  refuseUploaded(part, at, "image_url");
  const url = fieldOf(part, "image_url", at);
  return filePart({ source: { case: "uri", value: imageUri(url) }, mediaType: mediaTypeOf(url) });
}

function file(part: JsonObject, at: string): Part {
  refuseUploaded(part, at, "file_data");
  const url = fieldOf(part, "file_url", at);
  if (!isAbsent(url)) throw invalid(url.path, "files are not fetched here; send file_data");
  return givenFile(part, at);
}

/** Files are taken with the message alone: nothing is kept here that a `file_id` could name. */
function refuseUploaded(part: JsonObject, at: string, instead: string): void {
  const id = fieldOf(part, "file_id", at);
  if (!isAbsent(id)) throw invalid(id.path, `uploaded files are not known here; send ${instead}`);
}
