import type { OutboundPart } from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery";
import { invalid, payloadTooLarge } from "@lanekeeper/rpc";
import type { Limits } from "../limits.ts";
import { parseText } from "./fields.ts";

const FILE_URI = /^(https?|data):/i;

/** @throws INVALID_REQUEST, PAYLOAD_TOO_LARGE */
export function parseParts(parts: readonly OutboundPart[], limits: Limits): void {
  const { partsPerDelivery, replyBytes } = limits;
  if (parts.length < 1 || parts.length > partsPerDelivery) {
    throw invalid("parts", `must be 1 to ${partsPerDelivery}`);
  }
  const bytes = parts.map((part, index) => parsePart(`parts[${index}]`, part, limits));
  const total = bytes.reduce((sum, each) => sum + each, 0);
  if (total > replyBytes) throw payloadTooLarge("parts", replyBytes, total);
}

/** The bytes of its content. */
function parsePart(field: string, part: OutboundPart, limits: Limits): number {
  parseText(`${field}.media_type`, part.mediaType, limits.mediaTypeBytes);
  parseText(`${field}.file_name`, part.fileName, limits.fileNameBytes);
  const { content } = part;
  switch (content.case) {
    case "text":
      return Buffer.byteLength(content.value);
    case "fileUri":
      if (!FILE_URI.test(content.value)) {
        throw invalid(`${field}.file_uri`, "must be a http, https or data URI");
      }
      return Buffer.byteLength(parseText(`${field}.file_uri`, content.value, limits.fileUriBytes));
    case "fileData":
      if (content.value.length <= limits.fileBytes) return content.value.length;
      throw payloadTooLarge(`${field}.file_data`, limits.fileBytes, content.value.length);
    default:
      throw invalid(field, "must have a content");
  }
}
