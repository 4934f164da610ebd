const DATA_URI = /^data:([^,]*?)(;base64)?,(.*)$/is;

/** The bytes of a data URI (RFC 2397) and their type; undefined: it is none. */
export function parseDataUri(
  uri: string,
): { readonly bytes: Uint8Array; readonly mediaType: string } | undefined {
  const [whole, about = "", base64, data = ""] = DATA_URI.exec(uri) ?? [];
  if (whole === undefined) return undefined;
  const mediaType = about.split(";")[0] ?? "";
  try {
    const bytes =
      base64 === undefined ? unescaped(data) : Buffer.from(decodeURIComponent(data), "base64");
    return { bytes, mediaType };
  } catch {
    return undefined;
  }
}

/** What is escaped are bytes, which need not be text. */
function unescaped(data: string): Buffer {
  const asBytes = Buffer.from(data, "utf8").toString("latin1");
  const byteOf = (_: string, hex: string): string => String.fromCharCode(Number.parseInt(hex, 16));
  return Buffer.from(asBytes.replaceAll(/%([0-9a-f]{2})/gi, byteOf), "latin1");
}
