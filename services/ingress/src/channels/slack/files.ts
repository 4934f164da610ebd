import type { PartInit } from "@lanekeeper/adapter-kit";
import { isObject, type JsonObject } from "../../http/json-body.ts";
import { fetchBytes, MAX_FILE_BYTES } from "../fetch-bytes.ts";
import { filePart } from "../file-part.ts";

/** One turn's request is bounded by the runner. */
const MAX_FILES = 8;

/** How files of a message are fetched. */
export interface SlackFiles {
  /** Empty: they are named, not fetched. */
  readonly token: string;
  /** The Web API; files stand on Slack's hosts, or on its host. */
  readonly apiUrl: URL;
  readonly signal: AbortSignal;
}

/** The files of a message, in order. @see https://docs.slack.dev/reference/objects/file-object */
export function fileParts(files: unknown, how: SlackFiles): Promise<PartInit[]> {
  const listed = Array.isArray(files) ? files.filter((file) => isObject(file)) : [];
  return Promise.all(listed.slice(0, MAX_FILES).map((file) => partOf(file, how)));
}

/** What makes two lists of files the same. */
export function fileIds(files: unknown): unknown[] {
  return Array.isArray(files) ? files.map((file) => (isObject(file) ? file["id"] : "")) : [];
}

async function partOf(file: JsonObject, how: SlackFiles): Promise<PartInit> {
  const { name, mimetype, size, url_private: address } = file;
  const named = {
    fileName: typeof name === "string" ? name.slice(0, 255) : "file",
    mediaType: typeof mimetype === "string" ? mimetype.slice(0, 255) : "",
    size: typeof size === "number" ? size : undefined,
  };
  const isSmall = (named.size ?? 0) <= MAX_FILE_BYTES;
  return filePart(named, isSmall ? await fetched(address, how) : undefined);
}

/** The token goes to Slack's hosts alone, whatever address an event has. */
async function fetched(
  address: unknown,
  { token, apiUrl, signal }: SlackFiles,
): Promise<Uint8Array | undefined> {
  if (token === "" || typeof address !== "string" || !URL.canParse(address)) return undefined;
  const url = new URL(address);
  const isSlacks = url.protocol === "https:" && /(^|\.)slack\.com$/.test(url.hostname);
  if (!isSlacks && url.origin !== apiUrl.origin) return undefined;
  const headers = { authorization: `Bearer ${token}` };
  return fetchBytes({ url, headers, maxBytes: MAX_FILE_BYTES, signal });
}
