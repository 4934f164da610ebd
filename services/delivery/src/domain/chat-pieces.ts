import type { OutboundPart } from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery";
import { parseDataUri } from "./data-uri.ts";
import { type SizeOf, splitText } from "./split-text.ts";

/** A file with its bytes. */
export interface FilePiece {
  readonly kind: "file";
  readonly bytes: Uint8Array;
  readonly mediaType: string;
  /** Never empty. */
  readonly fileName: string;
}

/** One message of a chat. */
export type Piece = { readonly kind: "text"; readonly text: string } | FilePiece;

export interface TextBound {
  readonly limit: number;
  readonly sizeOf: SizeOf;
}

/**
 * A reply as messages of a chat, in order: texts that stand together are one, cut where they are too
 * long; a file is a message of its own, and one that is elsewhere is named by its link. What has
 * nothing to show is left out. The same reply makes the same pieces at each attempt.
 * @param gapBefore replies right before it that did not get through, which its reader is told
 */
export function chatPieces(
  parts: readonly OutboundPart[],
  gapBefore: number,
  bound: TextBound,
): Piece[] {
  const pieces: Piece[] = [];
  let text = gapBefore > 0 ? `${gapNote(gapBefore)}\n\n` : "";
  const flush = (): void => {
    for (const cut of splitText(text, bound.limit, bound.sizeOf)) {
      if (cut.trim() !== "") pieces.push({ kind: "text", text: cut });
    }
    text = "";
  };
  for (const part of parts) {
    const shown = shownPart(part);
    if (shown.kind === "file" || part.content.case !== "text") flush();
    if (shown.kind === "file") pieces.push(shown);
    else text += shown.text;
    if (part.content.case !== "text") flush();
  }
  flush();
  return pieces;
}

function gapNote(count: number): string {
  return count === 1
    ? "(A message before this one could not be delivered.)"
    : `(${count} messages before this one could not be delivered.)`;
}

function shownPart({ content, mediaType, fileName }: OutboundPart): Piece {
  switch (content.case) {
    case "fileData":
      return file(content.value, mediaType, fileName);
    case "fileUri":
      return linked(content.value, mediaType, fileName);
    default:
      return { kind: "text", text: content.value ?? "" };
  }
}

function linked(uri: string, mediaType: string, fileName: string): Piece {
  if (!/^data:/i.test(uri)) {
    return { kind: "text", text: fileName === "" ? uri : `${fileName}: ${uri}` };
  }
  const data = parseDataUri(uri);
  if (data === undefined) {
    return { kind: "text", text: `(The file ${fileName} cannot be read.)` };
  }
  return file(data.bytes, mediaType || data.mediaType, fileName);
}

/** Neither Slack nor Telegram takes an empty one, and would refuse the reply for it. */
function file(bytes: Uint8Array, mediaType: string, fileName: string): Piece {
  const type = mediaType === "" ? "application/octet-stream" : mediaType;
  const name = fileName || defaultName(type);
  if (bytes.length === 0) return { kind: "text", text: `(The file ${name} is empty.)` };
  return { kind: "file", bytes, mediaType: type, fileName: name };
}

function defaultName(mediaType: string): string {
  const [, subtype = ""] = /^[a-z]+\/([a-z0-9]+)/.exec(mediaType) ?? [];
  return subtype === "" || subtype === "octet" ? "file" : `file.${subtype}`;
}
