import type { Identity } from "../deps.ts";
import type { RunnerDatabase, Sql } from "../store/sql.ts";

/**
 * Does something to a replica, once, at a point: "before" or "after" a statement or an RPC, by the
 * beginning of its name. Empty: never.
 */
export class Arm {
  readonly #at: string;
  readonly #act: () => void;
  #isSpent = false;

  constructor(at: string, act: () => void) {
    this.#at = at;
    this.#act = act;
  }

  get isSpent(): boolean {
    return this.#isSpent;
  }

  async around<T>(name: string, work: () => Promise<T>, isOver: () => boolean): Promise<T> {
    this.#meet(`before ${name}`);
    // What a killed replica would have done it does not do.
    if (isOver()) return new Promise(() => undefined);
    const result = await work();
    this.#meet(`after ${name}`);
    return result;
  }

  #meet(point: string): void {
    if (this.#at === "" || this.#isSpent || !point.startsWith(this.#at)) return;
    this.#isSpent = true;
    this.#act();
  }
}

const never = (): boolean => false;

/** A database whose statements are points. */
export function armedDatabase(db: RunnerDatabase, arm: Arm, isOver = never): RunnerDatabase {
  const armed = <S extends Pick<Sql, "query">>(sql: S): S["query"] =>
    ((statement: { name?: string } | string, params?: readonly unknown[]) => {
      const name = typeof statement === "string" ? "" : (statement.name ?? "");
      return arm.around(name, () => sql.query(statement as string, params), isOver);
    }) as S["query"];
  return {
    query: armed(db),
    transaction: (work, options) =>
      db.transaction(
        (inner) => work({ ...inner, kysely: inner.kysely, query: armed(inner) }),
        options,
      ),
  };
}

/** An identity client whose calls are points; what a run writes by the event. */
export function armedIdentity(identity: Identity, arm: Arm, isOver = never): Identity {
  return {
    resolveSession: (request, options) => identity.resolveSession(request, options),
    beginRun: (request, options) =>
      arm.around("beginRun", () => identity.beginRun(request, options), isOver),
    rotateSession: (request, options) =>
      arm.around("rotateSession", () => identity.rotateSession(request, options), isOver),
    checkFence: (request, options) => identity.checkFence(request, options),
    getSession: (request, options) => identity.getSession(request, options),
    listRotations: (request, options) => identity.listRotations(request, options),
    watchSessions: (request, options) => identity.watchSessions(request, options),
    listErasuresToDo: (request, options) => identity.listErasuresToDo(request, options),
    reportErasure: (request, options) =>
      arm.around("reportErasure", () => identity.reportErasure(request, options), isOver),
    writeLifecycle: (request, options) =>
      arm.around(
        request.event?.case ?? "",
        () => identity.writeLifecycle(request, options),
        isOver,
      ),
  };
}
