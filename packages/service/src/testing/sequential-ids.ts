import { v7 } from "uuid";
import type { Ids } from "../ids.ts";

/** Valid UUIDv7s that are the same in every run: `00000000-0001-7000-8000-000000000000`, `…0002-…`. */
export function sequentialIds(): Ids {
  let count = 0;
  return {
    uuid() {
      count += 1;
      return v7({ msecs: count, seq: 0, random: new Uint8Array(16) });
    },
  };
}
