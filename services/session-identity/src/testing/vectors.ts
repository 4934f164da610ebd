import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { DmScope, Peer } from "@lanekeeper/session-key";

/** Raw names: who asks, and what the tenant has. */
export interface RawVector {
  readonly raw: string;
  readonly agent?: string;
  readonly default_agent?: string;
  readonly why: string;
}

/** The published vectors, as far as a service can be asked about them. */
export interface Vectors {
  readonly accept: readonly (RawVector & { readonly canonical: string })[];
  readonly refuse: readonly (RawVector & { readonly reason: string })[];
  readonly peers: readonly {
    readonly a: Peer;
    readonly b: Peer;
    readonly agent: string;
    readonly dm_scope?: DmScope;
    readonly expect: "same" | "distinct";
    readonly why: string;
  }[];
}

export function readVectors(): Vectors {
  const file = createRequire(import.meta.url).resolve("@lanekeeper/session-key/vectors");
  return JSON.parse(readFileSync(file, "utf8")) as Vectors;
}
