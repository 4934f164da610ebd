import { invalid } from "@lanekeeper/rpc";
import { type Field, requireText } from "./field.ts";

/** https://www.rfc-editor.org/rfc/rfc2397: a base64 one, which is all that OpenAI's clients send. */
const DATA_URI = /^data:([a-z0-9.+-]+\/[a-z0-9.+-]+)(?:;[a-z0-9.+_=-]+)*;base64,/i;

/** What stands before the content; a text of other megabytes is not looked through for it. */
const MAX_HEAD_CHARS = 1_024;

function headOf(value: string): RegExpExecArray | null {
  return DATA_URI.exec(value.slice(0, MAX_HEAD_CHARS));
}

/** @throws INVALID_REQUEST for anything but an http, https or data URI. */
export function imageUri(url: Field): string {
  const value = requireText(url);
  if (headOf(value) !== null) return requireBase64(url, value.slice(value.indexOf(",") + 1), value);
  if (/^https?:\/\//i.test(value) && URL.canParse(value)) return value;
  throw invalid(url.path, "must be an http, https or base64 data URI");
}

/** A data URI as it came, or bare base64 as one. @throws INVALID_REQUEST */
export function dataUri(data: Field, mediaType: string): string {
  const value = requireText(data);
  if (headOf(value) !== null)
    return requireBase64(data, value.slice(value.indexOf(",") + 1), value);
  return requireBase64(data, value, `data:${mediaType};base64,${value}`);
}

/** What a data URI says of itself; of a picture behind a URL only that it is one is known. */
export function mediaTypeOf(uri: Field): string {
  return headOf(requireText(uri))?.[1]?.toLowerCase() ?? "image/*";
}

function requireBase64(field: Field, base64: string, uri: string): string {
  if (base64 !== "" && /^[A-Za-z0-9+/]*={0,2}$/.test(base64)) return uri;
  throw invalid(field.path, "is not base64");
}
