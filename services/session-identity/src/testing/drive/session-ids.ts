import type { SessionRef } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";

/** An id that no service minted, for generations that nobody was told of. */
const NOBODY = "00000000-0000-4000-8000-00000000dead";

/**
 * Ids of sessions as callers learn them. The model speaks of key and generation alone, which is right
 * as long as an id and its place never part: that is looked at here, at every answer (G1).
 */
export class SessionIds {
  readonly #idOf = new Map<string, string>();
  readonly #placeOf = new Map<string, string>();

  learn(tenant: string, ref: SessionRef | undefined): void {
    if (ref === undefined) throw new Error("the answer names a session");
    const place = nameOf(tenant, ref.sessionKey, Number(ref.generation));
    const known = this.#idOf.get(place) ?? ref.sessionId;
    const stood = this.#placeOf.get(ref.sessionId) ?? place;
    if (known !== ref.sessionId || stood !== place) {
      throw new Error(`${place} has ${known}, now ${ref.sessionId}, which stood at ${stood}`);
    }
    this.#idOf.set(place, ref.sessionId);
    this.#placeOf.set(ref.sessionId, place);
  }

  of(tenant: string, key: string, generation: number): string {
    return this.known(tenant, key, generation) ?? NOBODY;
  }

  /** Undefined: nobody was told. */
  known(tenant: string, key: string, generation: number): string | undefined {
    return this.#idOf.get(nameOf(tenant, key, generation));
  }
}

function nameOf(tenant: string, key: string, generation: number): string {
  return JSON.stringify([tenant, key, generation]);
}
