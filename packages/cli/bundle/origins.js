import { closeSync, openSync, readFileSync, readSync } from "node:fs";
import { Mappings } from "./mappings.js";

/** Of so many lines of a script, the mappings are read to find one. */
const LINES_A_MARK = 128;
const MAPPINGS_SUFFIX = ".mappings";
const MARKS_SUFFIX = ".marks.json";

/**
 * @param {string} name of a script
 * @param {{ sources: readonly string[], mappings: string }} map of it, with absolute paths
 * @returns {Map<string, Uint8Array>} the files from which `Origins` answers
 */
export function originsOf(name, { sources, mappings }) {
  const marks = [];
  const reader = new Mappings(mappings);
  for (let line = 0, follows = true; follows; line += 1) {
    if (line % LINES_A_MARK === 0) marks.push({ ...reader.place });
    follows = reader.readLine();
  }
  return new Map([
    [`${name}${MAPPINGS_SUFFIX}`, Buffer.from(mappings, "latin1")],
    [
      `${name}${MARKS_SUFFIX}`,
      Buffer.from(JSON.stringify({ sources, marks, end: mappings.length })),
    ],
  ]);
}

/**
 * Where the lines of a script were written. Nothing of it is read before somebody asks, and then only a
 * part: Node's own reads, and keeps, ten times the bundle, whether an error is ever told or not.
 */
export class Origins {
  #path;
  #marks;

  /** @param {string} path of the script */
  constructor(path) {
    this.#path = path;
  }

  /**
   * @param {number} line from 1, as in `column` and in the answer
   * @returns {string | undefined} `path:line:column`
   */
  of(line, column) {
    this.#marks ??= JSON.parse(readFileSync(`${this.#path}${MARKS_SUFFIX}`, "utf8"));
    const { sources, marks, end } = this.#marks;
    const at = Math.floor((line - 1) / LINES_A_MARK);
    const mark = marks[at];
    if (mark === undefined) return undefined;
    const text = this.#read(mark.offset, marks[at + 1]?.offset ?? end);
    const reader = new Mappings(text, { ...mark, offset: 0 });
    for (let skipped = (line - 1) % LINES_A_MARK; skipped > 0; skipped -= 1) reader.readLine();
    let origin;
    reader.readLine((madeColumn) => {
      if (madeColumn < column) origin = { ...reader.place };
    });
    return origin && `${sources[origin.source]}:${origin.line + 1}:${origin.column + 1}`;
  }

  #read(from, to) {
    const file = openSync(`${this.#path}${MAPPINGS_SUFFIX}`);
    try {
      const text = Buffer.alloc(to - from);
      readSync(file, text, 0, text.length, from);
      return text.toString("latin1");
    } finally {
      closeSync(file);
    }
  }
}
