/**
 * A status message travels in a trailer. Peers bound their header lists (Node: 64 KiB for all of
 * them, many proxies 8 KiB), so one message takes no more than this many characters.
 */
const MAX_MESSAGE_CHARS = 1_024;

/**
 * Text that is safe in a trailer: bounded, and without lone surrogates, on which `encodeURI`
 * (which grpc-js calls on every message) throws.
 */
export function boundedText(text: string, maxChars: number = MAX_MESSAGE_CHARS): string {
  const cut = text.length > maxChars ? `${text.slice(0, maxChars - 3)}...` : text;
  return Buffer.from(cut, "utf8").toString("utf8");
}
