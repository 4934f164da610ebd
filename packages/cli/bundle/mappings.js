// Source maps say where each piece of a made file was written, as differences from piece to piece.

const BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const DIGITS = new Map(Array.from(BASE64, (digit, value) => [digit.charCodeAt(0), value]));
const COMMA = ",".charCodeAt(0);
const SEMICOLON = ";".charCodeAt(0);

/**
 * Goes over the `mappings` of a source map line by line of the made file. `place` is where it begins, and is
 * moved on: `offset` in the text, and `source`, `line` and `column` of the piece before, all from 0.
 */
export class Mappings {
  #text;
  place;

  constructor(text, place = { offset: 0, source: 0, line: 0, column: 0 }) {
    this.#text = text;
    this.place = { ...place };
  }

  /**
   * @param {(madeColumn: number) => void} [visit] each piece of one line; `place` is then where it was written
   * @returns {boolean} whether a line follows
   */
  readLine(visit) {
    const { place } = this;
    let madeColumn = 0;
    for (;;) {
      const code = this.#text.charCodeAt(place.offset);
      if (Number.isNaN(code)) return false;
      if (code === COMMA || code === SEMICOLON) place.offset += 1;
      if (code === SEMICOLON) return true;
      if (code === COMMA) continue;
      madeColumn += this.#number();
      // What was written nowhere has nothing more.
      if (!DIGITS.has(this.#text.charCodeAt(place.offset))) continue;
      place.source += this.#number();
      place.line += this.#number();
      place.column += this.#number();
      // Its name.
      if (DIGITS.has(this.#text.charCodeAt(place.offset))) this.#number();
      visit?.(madeColumn);
    }
  }

  /** Digits of five bits, the least first, and one that says whether more follow; the first bit is the sign. */
  #number() {
    let value = 0;
    for (let shift = 0; ; shift += 5) {
      const digit = DIGITS.get(this.#text.charCodeAt(this.place.offset));
      this.place.offset += 1;
      value += (digit & 31) << shift;
      if (digit < 32) return value & 1 ? -(value >> 1) : value >> 1;
    }
  }
}
