import type { RunnerDatabase } from "../store/sql.ts";
import type { Identity } from "../deps.ts";

/** A switch that makes a replica as good as killed: nothing that it does has an effect any more. */
export class Life {
  #isOver = false;
  /** How often each statement was sent, by its name. */
  readonly statements = new Map<string, number>();
  /** Awaited before each statement, so that a test can put them in order. */
  before: ((name: string) => Promise<void>) | undefined;

  get isOver(): boolean {
    return this.#isOver;
  }

  kill(): void {
    this.#isOver = true;
  }

  count(statement: { readonly name: string } | string): void {
    const name = nameOf(statement);
    this.statements.set(name, (this.statements.get(name) ?? 0) + 1);
  }

  /** What a killed process awaits never comes. */
  guard<T>(work: () => Promise<T>): Promise<T> {
    if (this.#isOver) return new Promise(() => undefined);
    return work().then(
      (value) => (this.#isOver ? new Promise<T>(() => undefined) : value),
      (error: unknown) => (this.#isOver ? new Promise<T>(() => undefined) : Promise.reject(error)),
    );
  }
}

function nameOf(statement: { readonly name: string } | string): string {
  return typeof statement === "string" ? "" : statement.name;
}

/** A database whose statements are void once the replica is dead; a transaction under way rolls back. */
export function mortalDatabase(db: RunnerDatabase, life: Life): RunnerDatabase {
  return {
    query: (statement, params) => {
      life.count(statement);
      const { before } = life;
      if (before === undefined) return life.guard(() => db.query(statement, params));
      return life.guard(() => before(nameOf(statement)).then(() => db.query(statement, params)));
    },
    transaction: (work, options) =>
      life.guard(() =>
        db.transaction(async (transaction) => {
          const result = await work({
            ...transaction,
            kysely: transaction.kysely,
            query: async (statement, params) => {
              await life.before?.(nameOf(statement));
              if (life.isOver) throw new Error("the replica is dead");
              life.count(statement);
              return transaction.query(statement, params);
            },
          });
          if (life.isOver) throw new Error("the replica is dead");
          return result;
        }, options),
      ),
  };
}

export interface IdentityHooks {
  /** Called with each event of a run before it is sent, and after it was answered. */
  beforeWrite?: (event: string | undefined) => void;
  afterWrite?: (event: string | undefined) => void;
}

/** An identity client whose calls are void once the replica is dead. */
export function mortalIdentity(identity: Identity, life: Life, hooks: IdentityHooks): Identity {
  return {
    resolveSession: (request, options) =>
      life.guard(() => identity.resolveSession(request, options)),
    beginRun: (request, options) => life.guard(() => identity.beginRun(request, options)),
    rotateSession: (request, options) => {
      hooks.beforeWrite?.("rotate");
      return life.guard(async () => {
        const answer = await identity.rotateSession(request, options);
        hooks.afterWrite?.("rotate");
        return answer;
      });
    },
    checkFence: (request, options) => life.guard(() => identity.checkFence(request, options)),
    getSession: (request, options) => life.guard(() => identity.getSession(request, options)),
    listRotations: (request, options) => life.guard(() => identity.listRotations(request, options)),
    watchSessions: (request, options) => identity.watchSessions(request, options),
    listErasuresToDo: (request, options) =>
      life.guard(() => identity.listErasuresToDo(request, options)),
    reportErasure: (request, options) => life.guard(() => identity.reportErasure(request, options)),
    writeLifecycle: (request, options) => {
      const event = request.event?.case;
      hooks.beforeWrite?.(event);
      return life.guard(async () => {
        const answer = await identity.writeLifecycle(request, options);
        hooks.afterWrite?.(event);
        return answer;
      });
    },
  };
}
