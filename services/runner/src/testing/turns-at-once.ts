import { Role } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import { textMessage } from "../domain/context.ts";
import type { Admitted } from "../store/admission/insert-lane-turn.ts";
import type { LaneAdmission, NewLaneTurn } from "../store/admission/new-turn.ts";
import type { Sql } from "../store/sql.ts";
import type { TurnSteps } from "../store/runs/turn-steps.ts";
import { HOW, newTurn as anyTurn } from "./stored-turns.ts";

export { HOW, TENANT } from "./stored-turns.ts";

let lanes = 0;

/** Lanes whose names do not sort as they were made. */
export function laneKeys(count: number): string[] {
  const from = (lanes += count);
  return Array.from({ length: count }, (_, index) => `agent:main:${(index * 7) % count}-${from}`);
}

/** Of a session of its lane's own. */
export function newTurn(sessionKey: string, more: Partial<NewLaneTurn> = {}): NewLaneTurn {
  return {
    ...anyTurn(sessionKey),
    session: { sessionKey, sessionId: `session of ${sessionKey}`, generation: 1n },
    messages: [textMessage(Role.USER, `hi ${sessionKey}`)],
    ...more,
  };
}

/** Admits a turn, together with what else is admitted now. */
export function admit(
  steps: TurnSteps,
  turn: NewLaneTurn,
  claimRunId?: string,
  more: Partial<LaneAdmission["admission"]> = {},
): Promise<Admitted | undefined> {
  return steps.admit({ turn, admission: { ...HOW, input: turn.messages, claimRunId, ...more } });
}

/** Counts statements, by name, and the items of each; a single item's statement goes by the name of several. */
export function counted(sql: Sql): {
  readonly sql: Sql;
  readonly sizes: (name: string) => number[];
} {
  const seen: { name: string; size: number }[] = [];
  return {
    sql: {
      query: (statement, params) => {
        const name = typeof statement === "string" ? statement : statement.name;
        const items = params?.[0];
        seen.push({
          name: name.replace(/_one$/, ""),
          size: Array.isArray(items) ? items.length : 1,
        });
        return sql.query(statement, params);
      },
    },
    sizes: (name) => seen.filter((one) => one.name === name).map(({ size }) => size),
  };
}
