import { createHash, timingSafeEqual } from "node:crypto";
import { inspect } from "node:util";

const SHOWN = "[secret]";

/**
 * A value that no log line, error text, JSON document or debugger print shows.
 * Only `reveal()` gives it away, so that a search for that word finds every place a secret leaves by.
 */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  reveal(): string {
    return this.#value;
  }

  /** Compares in time that does not depend on where the two differ. */
  matches(candidate: string): boolean {
    return timingSafeEqual(sha256(this.#value), sha256(candidate));
  }

  toString(): string {
    return SHOWN;
  }

  toJSON(): string {
    return SHOWN;
  }

  [inspect.custom](): string {
    return SHOWN;
  }
}

/** Digests have one length, which `timingSafeEqual` asks for and which hides the secret's own. */
function sha256(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
