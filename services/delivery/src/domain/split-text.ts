/** How much of a message's bound a code point takes. */
export type SizeOf = (codePoint: string) => number;

/** As most platforms count: UTF-16 units. */
export const utf16Units: SizeOf = (codePoint) => codePoint.length;

/** From the best place to cut to the worst: between paragraphs, lines, sentences, words. */
const BOUNDARIES = ["\n\n", "\n", ". ", " "] as const;

const graphemes = new Intl.Segmenter("und", { granularity: "grapheme" });
/** Longer than the clusters that people write: families and flags of emoji take some 20 units. */
const CLUSTER_UNITS = 64;

/**
 * Cuts a text into messages of at most `limit`. Together they are the text, character by character.
 * A cut falls where a reader expects one, if such a place lies in the second half of what fits;
 * otherwise between two characters as people see them, never inside a surrogate pair. The same text is
 * always cut in the same places.
 */
export function splitText(text: string, limit: number, sizeOf: SizeOf = utf16Units): string[] {
  const pieces: string[] = [];
  let rest = text;
  for (;;) {
    const fits = prefixThatFits(rest, limit, sizeOf);
    if (fits === rest.length) break;
    const at = cutBefore(rest, fits);
    pieces.push(rest.slice(0, at));
    rest = rest.slice(at);
  }
  return rest === "" ? pieces : [...pieces, rest];
}

/** In UTF-16 units; one code point at least, so that there is an end. */
function prefixThatFits(text: string, limit: number, sizeOf: SizeOf): number {
  let size = 0;
  let units = 0;
  for (const codePoint of text) {
    size += sizeOf(codePoint);
    if (size > limit && units > 0) return units;
    units += codePoint.length;
  }
  return units;
}

function cutBefore(text: string, fits: number): number {
  for (const boundary of BOUNDARIES) {
    const start = text.lastIndexOf(boundary, fits - boundary.length);
    if (start + boundary.length > fits / 2) return start + boundary.length;
  }
  const from = Math.max(0, fits - CLUSTER_UNITS);
  const around = text.slice(safeStart(text, from), fits + CLUSTER_UNITS);
  const base = safeStart(text, from);
  const cluster = graphemes.segment(around).containing(fits - base);
  const at = base + (cluster?.index ?? fits - base);
  return at > 0 ? at : fits;
}

/** Not between the halves of a pair. */
function safeStart(text: string, at: number): number {
  const unit = text.charCodeAt(at);
  return at > 0 && unit >= 0xdc00 && unit <= 0xdfff ? at - 1 : at;
}
