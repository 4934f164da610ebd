import { randomUUID } from "node:crypto";
import { existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join, parse } from "node:path";
import { cachedDataVersionTag } from "node:v8";
import { crc32 } from "node:zlib";

/** By then a service has started. What was run until it is kept is not compiled again by the next process. */
const SETTLED_MS = 3_000;
/** Of one bundle: each service, the supervisor, and commands. */
const MAX_CACHES = 16;
export const CODE_SUFFIX = ".code";

/**
 * What V8 has compiled of a bundle, in the words of V8: reading it takes a fifth of the CPU that compiling
 * takes. Another V8, or one with other flags, has its own; without one all is compiled as it is run.
 */
export class CodeCache {
  #folder;
  #path;
  #isRead = false;

  /**
   * @param {string} folder of the bundle
   * @param {string} name of the script
   */
  constructor(folder, name) {
    this.#folder = folder;
    const parts = [parse(name).name, kindOfProcess(), cachedDataVersionTag()];
    this.#path = join(folder, `${parts.join("-")}${CODE_SUFFIX}`);
  }

  /** Undefined: there is none, or it is not what was written. */
  read() {
    try {
      const kept = readFileSync(this.#path);
      const data = kept.subarray(4);
      if (crc32(data) !== kept.readUInt32LE(0)) return undefined;
      this.#isRead = true;
      return data;
    } catch {
      return undefined;
    }
  }

  /** @param {import("node:vm").Script} script compiled with what was read */
  keep(script) {
    if (this.#isRead && !script.cachedDataRejected) return;
    let isKept = false;
    const keep = () => {
      if (!isKept) this.#write(script);
      isKept = true;
    };
    setTimeout(keep, SETTLED_MS).unref();
    process.once("exit", keep);
  }

  #write(script) {
    try {
      const others = readdirSync(this.#folder).filter((name) => name.endsWith(CODE_SUFFIX));
      if (others.length >= MAX_CACHES && !existsSync(this.#path)) return;
      const data = script.createCachedData();
      const sum = Buffer.alloc(4);
      sum.writeUInt32LE(crc32(data));
      const draft = `${this.#path}-${randomUUID()}`;
      writeFileSync(draft, Buffer.concat([sum, data]));
      renameSync(draft, this.#path);
    } catch {
      // In a read-only image each process compiles for itself.
    }
  }
}

/** Those that do the same run the same parts: `start runner`, `start`, `sessions`. */
function kindOfProcess() {
  const words = process.argv.slice(2, process.argv[2] === "start" ? 4 : 3);
  return words.filter((word) => /^[a-z][a-z-]{0,30}$/.test(word)).join("-") || "program";
}
