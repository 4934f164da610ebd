import type { PartInit } from "@lanekeeper/adapter-kit";
import { isObject, type JsonObject } from "../../http/json-body.ts";
import { fetchBytes, MAX_FILE_BYTES } from "../fetch-bytes.ts";
import { filePart, type NamedFile } from "../file-part.ts";

/** More are named, not fetched: Slack waits. */
const MAX_FILES = 8;

/** Of all files of a message: a turn's request has 4 MiB, and Slack's longest text is far below the rest. */
const MAX_BYTES = 3.5 * 1024 * 1024;

/** How files of a message are fetched. */
export interface SlackFiles {
  /** Empty: they are named, not fetched. */
  readonly token: string;
  /** The Web API; files stand on Slack's hosts, or on its host. */
  readonly apiUrl: URL;
  readonly signal: AbortSignal;
}

/**
 * The files of a message, in order; those for which a turn has no room are named.
 * @see https://docs.slack.dev/reference/objects/file-object
 */
export async function fileParts(files: unknown, how: SlackFiles): Promise<PartInit[]> {
  const listed = Array.isArray(files) ? files.filter((file) => isObject(file)) : [];
  const fetched = await Promise.all(listed.slice(0, MAX_FILES).map((file) => bytesOf(file, how)));
  let room = MAX_BYTES;
  return listed.map((file, at) => {
    const bytes = fetched[at];
    const isTaken = bytes !== undefined && bytes.length <= room;
    if (isTaken) room -= bytes.length;
    return filePart(namedFile(file), isTaken ? bytes : undefined);
  });
}

/** What makes two lists of files the same. */
export function fileIds(files: unknown): unknown[] {
  return Array.isArray(files) ? files.map((file) => (isObject(file) ? file["id"] : "")) : [];
}

function namedFile({ name, mimetype, size }: JsonObject): NamedFile {
  return {
    fileName: typeof name === "string" ? name.slice(0, 255) : "file",
    mediaType: typeof mimetype === "string" ? mimetype.slice(0, 255) : "",
    size: typeof size === "number" ? size : undefined,
  };
}

async function bytesOf(file: JsonObject, how: SlackFiles): Promise<Uint8Array | undefined> {
  const isSmall = (namedFile(file).size ?? 0) <= MAX_FILE_BYTES;
  return isSmall ? fetched(file, how) : undefined;
}

/**
 * The token goes to Slack's hosts alone, whatever address an event has. Without the scope to read files Slack answers
 * 200 with the page on which people sign in, which is no file but where one is a page itself.
 */
async function fetched(
  { url_private: address, mimetype }: JsonObject,
  { token, apiUrl, signal }: SlackFiles,
): Promise<Uint8Array | undefined> {
  if (token === "" || typeof address !== "string" || !URL.canParse(address)) return undefined;
  const url = new URL(address);
  const isSlacks = url.protocol === "https:" && /(^|\.)slack\.com$/.test(url.hostname);
  if (!isSlacks && url.origin !== apiUrl.origin) return undefined;
  const headers = { authorization: `Bearer ${token}` };
  const isPage = (type: unknown): boolean => /^text\/html\b/i.test(String(type));
  const isIts = (contentType: string): boolean => isPage(mimetype) || !isPage(contentType);
  return fetchBytes({ url, headers, maxBytes: MAX_FILE_BYTES, isIts, signal });
}
