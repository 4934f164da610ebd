import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { RouteKind } from "@lanekeeper/protocol/lanekeeper/delivery/v1/route";
import { submit } from "../../chaos/clients/grpc-turn.ts";
import { chat } from "../../chaos/clients/http-chat.ts";
import { pick, type Random } from "../../chaos/clients/random.ts";
import { judgeError } from "../../chaos/history/judge-error.ts";
import type { Cluster } from "../../chaos/world/cluster.ts";
import type { Doors } from "../../chaos/world/doors.ts";
import { Gathered } from "../samples/gathered.ts";
import { AGENT, TENANT } from "../world/agents.ts";

/** A load that two cores carry beside everything else that runs on them. */
export const TURNS_PER_SECOND = 8;
const SESSIONS = 48;
/** Of the turns; the others come over HTTP, every second one as a stream. */
const ROUTED_SHARE = 0.4;
/** Above a takeover after a kill: 15 s, and a second. */
const ATTEMPT_MS = 25_000;
/** A turn that nobody knows of after so long was lost. */
const KNOWN_WITHIN_MS = 90_000;
const AGAIN_MS = 500;
/** Nobody asks on where so many wait: a machine that is too slow for the load is not made slower by it. */
const MOST_OPEN = 150;

export interface CallersOptions {
  readonly cluster: Cluster;
  readonly doors: Doors;
  readonly random: Random;
  readonly sinkUrl: string;
  readonly over: AbortSignal;
}

/** What became of the turns that were asked for. */
export interface Outcome {
  readonly asked: number;
  readonly answered: number;
  /** Attempts that nobody knew the end of, and that were asked again. */
  readonly again: number;
  readonly refused: Readonly<Record<string, number>>;
  /** Asked again for long enough, and never known. */
  readonly lost: number;
  /** Not asked for, since too many were under way. */
  readonly heldBack: number;
}

/** Asks for turns at a steady rate, whether or not those before have been answered. */
export class Callers {
  readonly latencies = new Gathered();
  readonly #options: CallersOptions;
  readonly #routes = new Map<string, string>();
  readonly #open = new Set<Promise<void>>();
  readonly #outcome = { asked: 0, answered: 0, again: 0, lost: 0, heldBack: 0 };
  readonly #refused: Record<string, number> = {};

  constructor(options: CallersOptions) {
    this.#options = options;
  }

  get outcome(): Outcome {
    return { ...this.#outcome, refused: this.#refused };
  }

  /** Until it is over, and all that was asked is known. */
  async run(): Promise<void> {
    const startMs = performance.now();
    for (let n = 0; !this.#options.over.aborted; n += 1) {
      const dueMs = startMs + (n * 1_000) / TURNS_PER_SECOND;
      await sleep(Math.max(0, dueMs - performance.now()));
      if (this.#open.size >= MOST_OPEN) {
        this.#outcome.heldBack += 1;
        continue;
      }
      const turn = this.#turn().finally(() => this.#open.delete(turn));
      this.#open.add(turn);
    }
    await Promise.all(this.#open);
  }

  async #turn(): Promise<void> {
    const { random } = this.#options;
    const routed = random() < ROUTED_SHARE;
    const isStream = random() < 0.5;
    const name = `agent:${AGENT}:chat:${Math.floor(random() * SESSIONS)}`;
    const id = randomUUID();
    const flags = { attached: true, routed, nested: false };
    const ask = { tenant: TENANT, name, text: `and ${id}?`, idempotency: `soak-${id}`, ...flags };
    const startMs = performance.now();
    this.#outcome.asked += 1;
    while (performance.now() - startMs < KNOWN_WITHIN_MS) {
      try {
        await (routed ? this.#overGrpc(ask) : this.#overHttp(ask, isStream));
        this.#outcome.answered += 1;
        this.latencies.add(performance.now() - startMs);
        return;
      } catch (error) {
        const refused = judgeError(error);
        if (typeof refused !== "string") return this.#note(refused.reason);
        this.#outcome.again += 1;
        await sleep(AGAIN_MS);
      }
    }
    this.#outcome.lost += 1;
  }

  #note(reason: string): void {
    this.#refused[reason] = (this.#refused[reason] ?? 0) + 1;
  }

  async #overHttp(ask: Parameters<typeof chat>[1], isStream: boolean): Promise<void> {
    const { cluster, random } = this.#options;
    const stream = isStream ? { pauseMs: 0 } : undefined;
    const { apiKey } = cluster;
    await chat(
      { baseUrl: pick(random, cluster.baseUrls), apiKey, timeoutMs: ATTEMPT_MS, stream },
      ask,
    );
  }

  async #overGrpc(ask: Parameters<typeof submit>[1]): Promise<void> {
    const { doors, random } = this.#options;
    const options = { tenant: TENANT, timeoutMs: ATTEMPT_MS };
    const name = { case: "rawKey", value: ask.name } as const;
    const { session } = await pick(random, doors.identity).resolveSession({ name }, options);
    if (session?.ref === undefined) throw new Error("resolve told no session");
    const routeId = await this.#route(session.ref.sessionKey);
    const door = pick(random, doors.runner);
    await submit({ door, session: session.ref, routeId, timeoutMs: ATTEMPT_MS }, ask);
  }

  async #route(sessionKey: string): Promise<string> {
    const known = this.#routes.get(sessionKey);
    if (known !== undefined) return known;
    const { doors, random, sinkUrl } = this.#options;
    const address = `${sinkUrl}/${encodeURIComponent(sessionKey)}`;
    const request = { sessionKey, kind: RouteKind.WEBHOOK, address };
    const options = { tenant: TENANT, timeoutMs: ATTEMPT_MS };
    const { route } = await pick(random, doors.delivery).registerRoute(request, options);
    if (route === undefined) throw new Error("delivery told no route");
    this.#routes.set(sessionKey, route.routeId);
    return route.routeId;
  }
}
