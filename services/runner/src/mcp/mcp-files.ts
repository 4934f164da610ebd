import { create } from "@bufbuild/protobuf";
import type { ContentBlock } from "@modelcontextprotocol/sdk/types.js";
import { type FilePart, FilePartSchema } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";

/** The file that a server has put into its answer: a picture, a sound, or a resource that is no text. */
export function fileOfBlock(block: ContentBlock): FilePart | undefined {
  switch (block.type) {
    case "image":
    case "audio":
      return file(block.data, block.mimeType, block.type);
    case "resource": {
      const { resource } = block;
      if (!("blob" in resource)) return undefined;
      return file(resource.blob, resource.mimeType ?? "", nameIn(resource.uri));
    }
    default:
      return undefined;
  }
}

/** As much of a type and of a name as delivery takes. */
const MAX_BYTES = 255;

function file(base64: string, mediaType: string, name: string): FilePart {
  const [, subtype = ""] = /^[a-z]+\/([a-z0-9]+)/.exec(mediaType) ?? [];
  const fileName = name.includes(".") || subtype === "" ? name : `${name}.${subtype}`;
  const source = { case: "data" as const, value: Buffer.from(base64, "base64") };
  const fits = (text: string): string =>
    Buffer.byteLength(text) <= MAX_BYTES && !text.includes("\0") ? text : "";
  return create(FilePartSchema, { source, mediaType: fits(mediaType), fileName: fits(fileName) });
}

/** The last segment of a path; a server names its resources as it likes. */
function nameIn(uri: string): string {
  const path = URL.canParse(uri) ? new URL(uri).pathname : uri;
  const last = path.split("/").findLast((segment) => segment !== "") ?? "";
  try {
    return decodeURIComponent(last).replaceAll(/[\p{Cc}/]/gu, "") || "file";
  } catch {
    return last;
  }
}
