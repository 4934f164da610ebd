import type { Delivery } from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery";
import { DeliveryState } from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery";
import { TurnClass } from "@lanekeeper/protocol/lanekeeper/identity/v1/lifecycle";
import { type Message, Role } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import { OnConflict, type Turn, TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import type { Scene } from "../clients/scene.ts";
import { enumName } from "../history/enum-name.ts";
import { TENANTS } from "../world/tenants.ts";
import { allPages } from "./pages.ts";

/** Every turn, transcript and reply of the keys that had turns. */
export async function readTurns(scene: Scene): Promise<void> {
  for (const tenant of TENANTS) {
    const keys = new Set(
      scene.recorder.history
        .values("finalSession")
        .filter((session) => session.tenant === tenant && !session.key.includes(":raced:"))
        .map(({ key }) => key),
    );
    for (const key of keys) await readKey(scene, tenant, key);
  }
}

async function readKey({ doors, recorder }: Scene, tenant: string, key: string): Promise<void> {
  const [runner] = doors.runner;
  const [delivery] = doors.delivery;
  if (runner === undefined || delivery === undefined) throw new Error("no doors");
  const turns = await allPages(
    (pageToken) => runner.listTurns({ sessionKey: key, pageSize: 500, pageToken }, { tenant }),
    (page) => page.turns,
  );
  for (const turn of turns) recorder.saw("finalTurn", turnOf(tenant, turn));
  if (turns.length === 0) return;
  const session = { case: "sessionKey", value: key } as const;
  const messages = await allPages(
    (pageToken) => runner.listMessages({ session, pageSize: 500, pageToken }, { tenant }),
    (page) => page.messages,
  );
  for (const { message, turnId, sessionId, generation } of messages) {
    const said = { role: roleOf(message), text: textOf(message), generation: Number(generation) };
    recorder.saw("finalMessage", { tenant, key, sessionId, turnId, ...said });
  }
  const deliveries = await allPages(
    (pageToken) =>
      delivery.listDeliveries({ sessionKey: key, pageSize: 500, pageToken }, { tenant }),
    (page) => page.deliveries,
  );
  for (const one of deliveries) recorder.saw("finalDelivery", deliveryOf(tenant, key, one));
}

function turnOf(tenant: string, turn: Turn) {
  const { sessionKey: key, turnId, idempotencyKey: idempotency, session, routeId } = turn;
  return {
    ...{ tenant, key, turnId, idempotency, routed: routeId !== "", reply: textOf(turn.reply) },
    state: enumName(TurnState, turn.state),
    laneSeq: Number(turn.laneSeq),
    turnClass: enumName(TurnClass, turn.turnClass),
    onConflict: enumName(OnConflict, turn.onConflict),
    intoTurnId: turn.intoTurnId,
    generation: Number(session?.generation ?? 0n),
    runs: turn.runs.map(({ runId, runEpoch }) => ({ run: runId, epoch: Number(runEpoch) })),
  };
}

function deliveryOf(tenant: string, key: string, delivery: Delivery) {
  const { deliveryId, turnId, routeId, routeSeq, state, session } = delivery;
  return {
    ...{ tenant, key, deliveryId, turnId, routeId, routeSeq: Number(routeSeq) },
    state: enumName(DeliveryState, state),
    generation: Number(session?.generation ?? 0n),
  };
}

function roleOf(message: Message | undefined): string {
  return enumName(Role, message?.role ?? Role.UNSPECIFIED).toLowerCase();
}

function textOf(message: Message | undefined): string {
  const parts = message?.parts ?? [];
  return parts.map(({ content }) => (content.case === "text" ? content.value : "")).join("");
}
