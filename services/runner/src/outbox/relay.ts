import type { MessageInitShape } from "@bufbuild/protobuf";
import type { OutboundPartSchema } from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery";
import type { Message, Part } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import { LanekeeperError, type TracedWork } from "@lanekeeper/rpc";
import { backoffMs, inTrace } from "@lanekeeper/service";
import { LIMITS } from "../limits.ts";
import { unrouteChildTurn } from "../store/nested/child-turns.ts";
import { delayOutbox, type OutboxRow, refuseOutbox } from "../store/outbox/outbox.ts";
import { OutboxSteps } from "../store/outbox/outbox-steps.ts";
import type { RunnerDeps } from "../deps.ts";
import { OutboxBacklog } from "./outbox-backlog.ts";
import { laneName } from "../domain/lane-name.ts";

type RelayDeps = Pick<RunnerDeps, "db" | "delivery" | "log" | "metrics">;

/**
 * Hands committed replies to delivery: those of a lane one after the other, known by turn, so that any
 * replica may repeat what another was doing. Delivery's outage stops no lane; it only makes rows wait.
 */
export class Relay {
  /** What waits because delivery does not take it. */
  readonly backlog: OutboxBacklog;
  readonly #deps: RelayDeps;
  readonly #steps: OutboxSteps;
  readonly #busy = new Map<string, Promise<void>>();
  /** Lanes that were committed to since they were looked at. */
  readonly #again = new Set<string>();
  #stopped = false;

  constructor(deps: RelayDeps) {
    this.#deps = deps;
    this.backlog = new OutboxBacklog(deps);
    this.#steps = new OutboxSteps(deps.db);
  }

  /**
   * Sends what a lane has. Where this replica is at it, that goes on until there is nothing. `within`: what
   * has committed to it.
   */
  kick(tenant: string, sessionKey: string, within?: TracedWork): void {
    const lane = laneName(tenant, sessionKey);
    if (this.#stopped) return;
    if (this.#busy.has(lane)) return void this.#again.add(lane);
    const work = this.#sendAll(tenant, sessionKey)
      .catch((err: unknown) =>
        inTrace(this.#deps.log, within?.traceparent).warn(
          { err, tenant, session_key: sessionKey },
          "the outbox waits",
        ),
      )
      .finally(() => {
        this.#busy.delete(lane);
        if (this.#again.delete(lane)) this.kick(tenant, sessionKey);
      });
    this.#busy.set(lane, work);
  }

  /** Resolves when what is being handed over is. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#busy.values());
  }

  async #sendAll(tenant: string, sessionKey: string): Promise<void> {
    while (!this.#stopped) {
      const row = await this.#steps.claim({ tenant, sessionKey });
      if (row === undefined || !(await this.#send(row))) return;
    }
  }

  /** False: nothing more of the lane is to be sent now; or the row waits, and those behind it with it. */
  async #send(row: OutboxRow): Promise<boolean> {
    const { db, metrics } = this.#deps;
    const log = inTrace(this.#deps.log, row.traceparent);
    const parts = partsOf(row.reply);
    if (parts.length === 0) return this.#drop(row);
    try {
      await this.#handOver(row, parts);
      const hasMore = await this.#steps.remove(row.outboxId);
      metrics.handedOver("accepted");
      return hasMore;
    } catch (error) {
      if (error instanceof LanekeeperError && isForGood(error)) {
        log.error({ err: error, turn_id: row.turnId }, "delivery refuses a reply for good");
        await refuseOutbox(db, row.outboxId, `${error.reason}: ${error.message}`);
        metrics.handedOver("refused");
        return true;
      }
      metrics.handedOver("failed");
      const delayMs = backoffMs(row.attemptCount, LIMITS.outboxBackoff) + 1;
      await delayOutbox(db, row.outboxId, delayMs);
      log.warn(
        { err: error, turn_id: row.turnId, delay_ms: delayMs },
        "a reply could not be handed over",
      );
      return false;
    }
  }

  /**
   * Of a reply without words and files, such as the call of a client's tool, there is nothing to deliver. Was
   * it to tell a session what became of a turn that it sent, the sweep of the others tells it.
   */
  async #drop({ outboxId, tenant, turnId }: OutboxRow): Promise<boolean> {
    await unrouteChildTurn(this.#deps.db, tenant, turnId);
    return this.#steps.remove(outboxId);
  }

  async #handOver(row: OutboxRow, parts: OutboundInit[]): Promise<void> {
    const { sessionKey, sessionId, generation, turnId, routeId, tenant, principal, requestId } =
      row;
    await this.#deps.delivery.enqueueDelivery(
      {
        requestId: `${turnId}/1`,
        session: { sessionKey, sessionId, generation },
        turnId,
        routeId,
        parts,
      },
      {
        tenant,
        principal,
        requestId,
        traceparent: row.traceparent || undefined,
        timeoutMs: LIMITS.outboxTimeoutMs,
      },
    );
  }
}

/** QUOTA and RATE_LIMITED pass; a defect of delivery may be mended. */
function isForGood(error: LanekeeperError): boolean {
  return error.row.shouldRetry !== "yes" && error.reason !== "INTERNAL";
}

/**
 * What delivery can send of a reply: its text and its files. Empty: it takes no such reply. Of more parts than
 * it takes the first ones, and who reads them is told what was left out.
 */
export function partsOf(reply: Message): OutboundInit[] {
  const { partsPerDelivery: most } = LIMITS;
  const parts = reply.parts.flatMap((part) => partOf(part) ?? []);
  if (parts.length <= most) return parts;
  const left = parts.length - (most - 1);
  const value = `[parts of this reply left out: ${left}; a delivery takes ${most}]`;
  return [...parts.slice(0, most - 1), { content: { case: "text", value } }];
}

type OutboundInit = MessageInitShape<typeof OutboundPartSchema>;

function partOf({ content }: Part): OutboundInit | undefined {
  if (content.case === "text") return content.value === "" ? undefined : { content };
  if (content.case !== "file") return undefined;
  const { source, mediaType, fileName } = content.value;
  if (source.case === undefined) return undefined;
  return source.case === "uri"
    ? { content: { case: "fileUri", value: source.value }, mediaType, fileName }
    : { content: { case: "fileData", value: source.value }, mediaType, fileName };
}
