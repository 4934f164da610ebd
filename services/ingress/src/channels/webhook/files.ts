import type { PartInit } from "@lanekeeper/adapter-kit";
import { invalid } from "@lanekeeper/rpc";
import { isObject, type JsonObject } from "../../http/json-body.ts";

/** One turn's request is bounded by the runner; more belongs behind addresses. */
const MAX_FILES = 16;

/** As the runner has it. */
const MAX_DATA_BYTES = 1024 * 1024;

/** The files of a post: by address, or as base64. @throws INVALID_REQUEST naming the field */
export function filesOf(files: unknown): PartInit[] {
  if (files === undefined) return [];
  if (!Array.isArray(files)) throw invalid("files", "must be an array");
  if (files.length > MAX_FILES) throw invalid("files", `must be at most ${MAX_FILES}`);
  return files.map((file: unknown, index) => fileOf(`files[${index}]`, file));
}

function fileOf(field: string, file: unknown): PartInit {
  if (!isObject(file)) throw invalid(field, "must be an object");
  const { uri, data, media_type: mediaType, file_name: fileName, ...others } = file;
  const [other] = Object.keys(others);
  if (other !== undefined) throw invalid(`${field}.${other}`.slice(0, 200), "is not known here");
  const about = {
    mediaType: optionalText(`${field}.media_type`, mediaType),
    fileName: optionalText(`${field}.file_name`, fileName),
  };
  const source = sourceOf(field, { uri, data });
  return { content: { case: "file", value: { ...about, source } } };
}

type Source = { case: "uri"; value: string } | { case: "data"; value: Uint8Array };

function sourceOf(field: string, { uri, data }: JsonObject): Source {
  if ((uri === undefined) === (data === undefined)) throw invalid(field, "send either uri or data");
  if (uri !== undefined) return { case: "uri", value: addressOf(`${field}.uri`, uri) };
  const isBase64 = typeof data === "string" && /^[A-Za-z0-9+/]+={0,2}$/.test(data);
  if (!isBase64) throw invalid(`${field}.data`, "must be base64");
  const bytes = Buffer.from(data, "base64");
  if (bytes.length <= MAX_DATA_BYTES) return { case: "data", value: bytes };
  throw invalid(`${field}.data`, `must be at most ${MAX_DATA_BYTES} bytes`);
}

function addressOf(field: string, uri: unknown): string {
  const isWeb = typeof uri === "string" && URL.canParse(uri) && /^https?:\/\//.test(uri);
  if (isWeb && uri.length <= 2_048) return uri;
  throw invalid(field, "must be an http or https URL of at most 2048 characters");
}

function optionalText(field: string, value: unknown): string {
  if (value === undefined) return "";
  if (typeof value === "string" && value.length <= 255) return value;
  throw invalid(field, "must be a string of at most 255 characters");
}
