import { closeSync, openSync, readFileSync, readSync } from "node:fs";
import { join } from "node:path";
import { Mappings } from "./mappings.js";

/** Of so many lines of a bundle, the mappings are read to find one. */
const LINES_A_MARK = 128;
const MAPPINGS = "main.mappings";
const MARKS = "marks.json";

/**
 * @param {{ sources: readonly string[], mappings: string }} map of a bundle, with absolute paths
 * @returns {Map<string, Uint8Array>} the files from which `Origins` answers
 */
export function originsOf({ sources, mappings }) {
  const marks = [];
  const reader = new Mappings(mappings);
  for (let line = 0, follows = true; follows; line += 1) {
    if (line % LINES_A_MARK === 0) marks.push({ ...reader.place });
    follows = reader.readLine();
  }
  return new Map([
    [MAPPINGS, Buffer.from(mappings, "latin1")],
    [MARKS, Buffer.from(JSON.stringify({ sources, marks, end: mappings.length }))],
  ]);
}

/**
 * Where the lines of a bundle were written. Nothing of it is read before somebody asks, and then only a
 * part: Node's own reads, and keeps, ten times the bundle, whether an error is ever told or not.
 */
export class Origins {
  #folder;
  #marks;

  constructor(folder) {
    this.#folder = folder;
  }

  /**
   * @param {number} line from 1, as in `column` and in the answer
   * @returns {string | undefined} `path:line:column`
   */
  of(line, column) {
    this.#marks ??= JSON.parse(readFileSync(join(this.#folder, MARKS), "utf8"));
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
    const file = openSync(join(this.#folder, MAPPINGS));
    try {
      const text = Buffer.alloc(to - from);
      readSync(file, text, 0, text.length, from);
      return text.toString("latin1");
    } finally {
      closeSync(file);
    }
  }
}
