import type { PartInit } from "@lanekeeper/adapter-kit";

/** A file as an event tells of it. */
export interface NamedFile {
  readonly fileName: string;
  /** Empty: not told. */
  readonly mediaType: string;
  /** Undefined: not told. */
  readonly size: number | undefined;
}

/** A file that was fetched; one that was not is named in words, so that nobody thinks there was none. */
export function filePart(file: NamedFile, bytes: Uint8Array | undefined): PartInit {
  const { fileName, mediaType } = file;
  if (bytes === undefined) return { content: { case: "text", value: `[file: ${about(file)}]` } };
  const source = { case: "data" as const, value: bytes };
  return { content: { case: "file", value: { source, mediaType, fileName } } };
}

function about({ fileName, mediaType, size }: NamedFile): string {
  const length = size === undefined ? "" : `${size} bytes`;
  const known = [fileName, mediaType, length].filter((text) => text !== "");
  return [...known, "not passed on"].join(", ");
}
