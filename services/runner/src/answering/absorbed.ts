import type { AbsorbedSession, Session } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import type { CallOptions } from "@lanekeeper/rpc";
import type { RunnerDeps } from "../deps.ts";
import { LIMITS } from "../limits.ts";
import { persist } from "../persist.ts";
import { absorbSession } from "../store/answering/absorb-session.ts";
import { knowSession } from "./session-parents.ts";

type AbsorbDeps = Pick<RunnerDeps, "db" | "identity" | "clock" | "log">;

/**
 * Sessions that were merged into another's key while they were young: what was said there stands at the end of the
 * survivor's transcript. Session-identity tells of them with each run that it grants, so that no run answers without
 * them, whoever heard of the merge; here is remembered for which nothing is left to do.
 */
export class AbsorbedSessions {
  readonly #deps: AbsorbDeps;
  /** Oldest first; who is forgotten is looked at once more, and found to be there. */
  readonly #done = new Set<string>();

  constructor(deps: AbsorbDeps) {
    this.#deps = deps;
  }

  /** Whether something may not stand in the transcript yet. */
  isDue(tenant: string, session: Session | undefined): boolean {
    return session?.absorbed.some((one) => !this.#done.has(nameOf(tenant, one))) === true;
  }

  /**
   * Sees to it that all stands there, oldest merge first: a session may have absorbed others before it was itself.
   * False: a turn of a merged key has not ended yet, and may add to it.
   */
  async append(tenant: string, session: Session | undefined, call: CallOptions): Promise<boolean> {
    let isWhole = true;
    for (const one of session?.absorbed ?? []) {
      if (isWhole && this.#done.has(nameOf(tenant, one))) continue;
      isWhole = (await this.#appendOne(tenant, one, call)) && isWhole;
      if (isWhole) this.#remember(nameOf(tenant, one));
    }
    return isWhole;
  }

  async #appendOne(
    tenant: string,
    { sessionId, intoSessionId }: AbsorbedSession,
    call: CallOptions,
  ): Promise<boolean> {
    for (const id of [intoSessionId, sessionId]) await knowSession(this.#deps, tenant, id, call);
    const { db, log } = this.#deps;
    const { count, isOpen } = await persist(this.#deps, "append what a merged session said", () =>
      absorbSession(db, { tenant, sessionId, intoSessionId }, LIMITS.parentDepth),
    );
    if (count > 0) {
      const about = { tenant, session_id: intoSessionId, absorbed_session_id: sessionId, count };
      log.info(about, "what a merged session said was appended");
    }
    return !isOpen;
  }

  #remember(name: string): void {
    this.#done.add(name);
    const [oldest] = this.#done;
    if (this.#done.size > LIMITS.absorbedKnown && oldest !== undefined) this.#done.delete(oldest);
  }
}

function nameOf(tenant: string, { sessionId }: AbsorbedSession): string {
  return `${tenant}\n${sessionId}`;
}
