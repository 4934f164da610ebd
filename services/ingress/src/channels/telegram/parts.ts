import type { PartInit } from "@lanekeeper/adapter-kit";
import { isObject, type JsonObject } from "../../http/json-body.ts";
import { MAX_FILE_BYTES } from "../fetch-bytes.ts";
import { filePart } from "../file-part.ts";

/** The bytes of one of Telegram's files; undefined where they cannot be had. */
export type FetchFile = (fileId: string) => Promise<Uint8Array | undefined>;

/** Kinds of messages with one file. */
const FILE_KINDS = [
  "document",
  "audio",
  "voice",
  "video",
  "video_note",
  "animation",
  "sticker",
] as const;

/** Kinds that have no text and no file, and are told in a word. */
const OTHER_KINDS = ["location", "venue", "contact", "poll", "dice", "game"] as const;

/** What a message says. */
export interface Spoken {
  /** Empty: nothing. */
  readonly parts: PartInit[];
  /** What makes two messages the same, with files by their ids. */
  readonly content: unknown;
}

/** @see https://core.telegram.org/bots/api#message */
export async function partsOf(
  message: JsonObject,
  isEdited: boolean,
  fetchFile: FetchFile,
): Promise<Spoken> {
  const text = textOf(message);
  const files = filesOf(message);
  // A moving location is edited all the time; nobody speaks.
  const other = isEdited ? undefined : OTHER_KINDS.find((kind) => isObject(message[kind]));
  const content = [text, files.map(({ uniqueId }) => uniqueId)];
  if (text === "" && files.length === 0) {
    return { parts: other === undefined ? [] : [textPart(`[${other}]`)], content };
  }
  const said = isEdited ? `(edited) ${text}` : text;
  const parts = said === "" ? [] : [textPart(said)];
  return {
    parts: [...parts, ...(await Promise.all(files.map((file) => fetched(file, fetchFile))))],
    content,
  };
}

function textPart(value: string): PartInit {
  return { content: { case: "text", value } };
}

function textOf(message: JsonObject): string {
  const text = message["text"] ?? message["caption"];
  return typeof text === "string" ? text : "";
}

interface TelegramFile {
  readonly fileId: string;
  /** The same however often the file is sent; an id to fetch by is not. */
  readonly uniqueId: string;
  readonly fileName: string;
  readonly mediaType: string;
  readonly size: number | undefined;
}

/** Of a photo's sizes the last that is small enough. An animation stands there as a document too. */
function filesOf(message: JsonObject): TelegramFile[] {
  const photos = message["photo"];
  if (Array.isArray(photos)) {
    const sizes = photos.filter((size) => isObject(size));
    const size = sizes.findLast((one) => hasRoom(one["file_size"])) ?? sizes.at(-1);
    return size === undefined ? [] : fileOf(size, "photo.jpg", "image/jpeg");
  }
  const kind = FILE_KINDS.find((name) => isObject(message[name]));
  const file = kind === undefined ? undefined : message[kind];
  return isObject(file) ? fileOf(file, kind ?? "", "") : [];
}

function fileOf(file: JsonObject, name: string, type: string): TelegramFile[] {
  const { file_id: fileId, file_unique_id: uniqueId, file_size: size } = file;
  if (typeof fileId !== "string") return [];
  return [
    {
      fileId,
      uniqueId: typeof uniqueId === "string" ? uniqueId : fileId,
      fileName: typeof file["file_name"] === "string" ? file["file_name"].slice(0, 255) : name,
      mediaType: typeof file["mime_type"] === "string" ? file["mime_type"].slice(0, 255) : type,
      size: typeof size === "number" ? size : undefined,
    },
  ];
}

/** What tells no size may be small enough. */
function hasRoom(size: unknown): boolean {
  return typeof size !== "number" || size <= MAX_FILE_BYTES;
}

async function fetched(file: TelegramFile, fetchFile: FetchFile): Promise<PartInit> {
  return filePart(file, hasRoom(file.size) ? await fetchFile(file.fileId) : undefined);
}
