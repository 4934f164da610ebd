const DATA_URI = /^data:([^,]*?)(;base64)?,(.*)$/is;

/** The bytes of a data URI (RFC 2397) and their type; undefined: it is none. */
export function parseDataUri(
  uri: string,
): { readonly bytes: Uint8Array; readonly mediaType: string } | undefined {
  const [whole, about = "", base64, data = ""] = DATA_URI.exec(uri) ?? [];
  if (whole === undefined) return undefined;
  const mediaType = about.split(";")[0] ?? "";
  try {
    const text = decodeURIComponent(data);
    const bytes = base64 === undefined ? Buffer.from(text, "utf8") : Buffer.from(text, "base64");
    return { bytes, mediaType };
  } catch {
    return undefined;
  }
}
