import { createHash, randomUUID } from "node:crypto";
import { readFileSync, renameSync, statSync, writeFileSync } from "node:fs";

/** A file that was changed so lately may be changed again without its time telling. */
const YOUNG_MS = 2_000;

/**
 * What the file system says of files without reading them: sizes, times, inodes. Who has read them once can
 * tell at a glance that they are the same: reading a thousand files takes ten times as long.
 */
export class Glance {
  #path;
  #seen;
  #isSure;

  /**
   * @param {string} path where it is remembered
   * @param {readonly string[]} files
   * @throws where one is missing
   */
  constructor(path, files) {
    const now = Date.now();
    const hash = createHash("sha256");
    let youngest = 0;
    for (const file of files) {
      // The time of the last change of anything about a file cannot be set by anybody.
      const { size, mtimeMs, ctimeMs, ino } = statSync(file);
      hash.update(`${file} ${size} ${mtimeMs} ${ctimeMs} ${ino}\n`);
      youngest = Math.max(youngest, ctimeMs);
    }
    this.#path = path;
    this.#seen = hash.digest("hex");
    this.#isSure = youngest < now - YOUNG_MS;
  }

  isAsSeen() {
    try {
      return readFileSync(this.#path, "utf8") === this.#seen;
    } catch {
      return false;
    }
  }

  /** Of files that were read after this glance, and are what they should be. */
  remember() {
    if (!this.#isSure) return;
    try {
      const draft = `${this.#path}-${randomUUID()}`;
      writeFileSync(draft, this.#seen);
      renameSync(draft, this.#path);
    } catch {
      // In a read-only image the next start reads them again.
    }
  }
}
