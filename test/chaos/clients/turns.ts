import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { RouteKind } from "@lanekeeper/protocol/lanekeeper/delivery/v1/route";
import type { SessionRef } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import type { Calls, ToldTurn } from "../history/calls.ts";
import { canaryOf } from "../judges/g14-tenants.ts";
import { chat } from "./http-chat.ts";
import { submit } from "./grpc-turn.ts";
import { pick, type Random, randomFor } from "./random.ts";
import { CALL_MS, making, type Scene } from "./scene.ts";

type Ask = Calls["turn"]["ask"];

/** A turn that is longer under way is asked for again. */
const TURN_MS = 8_000;
const SLOW_READER_MS = 150;

/** What is asked for, and by which door. */
export interface Wish {
  readonly ask: Ask;
  readonly door: "http" | "grpc";
  /** So much more is said, of no interest. */
  readonly padBytes?: number;
}

/** Asks for turns, and asks again under the same key where nobody knows what became of one. */
export class Turns {
  readonly #scene: Scene;
  readonly #random: Random;
  readonly #routes = new Map<string, string>();
  readonly #open: Wish[] = [];

  constructor(scene: Scene, random: Random) {
    this.#scene = scene;
    this.#random = random;
  }

  /** A new thing to say; its text is said nowhere else. */
  wish(
    tenant: string,
    name: string,
    more: Partial<Ask> & { door: Wish["door"]; say?: string },
  ): Wish {
    const { door, say = "", ...changed } = more;
    const id = randomUUID();
    const text = `${canaryOf(tenant)} ${id} ${say}`.trimEnd();
    const flags = { attached: true, routed: false, nested: false };
    return { door, ask: { tenant, name, text, idempotency: `i-${id}`, ...flags, ...changed } };
  }

  /** Asked until it is known, or the scene is over: then `settle` asks on. */
  async ask(process: string, wish: Wish): Promise<ToldTurn | undefined> {
    const { recorder, over } = this.#scene;
    for (;;) {
      let isKnown = true;
      const told = await recorder.call("turn", process, wish.ask, async () => {
        try {
          return await this.#once(wish);
        } catch (error) {
          isKnown = isDefinite(this.#scene, error);
          throw error;
        }
      });
      if (told !== undefined || isKnown) return told;
      if (over.aborted) return void this.#open.push(wish);
      await sleep(200);
    }
  }

  /** After healing: asking again with the same key tells what became of each. */
  async settle(): Promise<void> {
    const open = this.#open.splice(0);
    await Promise.all(open.map((wish, n) => this.ask(`settler ${n}`, wish)));
  }

  /** Asked whatever it comes to, once. */
  async askOnce(process: string, wish: Wish): Promise<ToldTurn | undefined> {
    return this.#scene.recorder.call("turn", process, wish.ask, () => this.#once(wish));
  }

  #once({ ask, door, padBytes = 0 }: Wish): Promise<ToldTurn> {
    const said = padBytes === 0 ? ask : { ...ask, text: `${ask.text} ${"x".repeat(padBytes)}` };
    return door === "http" ? this.#overHttp(said) : this.#overGrpc(said);
  }

  #overHttp(ask: Ask): Promise<ToldTurn> {
    const { cluster, seed } = this.#scene;
    // A repeat has to ask for the same, whether for a stream or not.
    const luck = randomFor(seed, ask.idempotency)();
    const isSlow = luck < 0.05;
    const stream = luck < 0.4 ? { pauseMs: isSlow ? SLOW_READER_MS : 0 } : undefined;
    const baseUrl = pick(this.#random, cluster.baseUrls);
    const how = { baseUrl, apiKey: cluster.apiKey, timeoutMs: TURN_MS, stream };
    const asking = () => chat(how, ask);
    return isSlow ? making(this.#scene, "slow reader", baseUrl, asking) : asking();
  }

  async #overGrpc(ask: Ask): Promise<ToldTurn> {
    const session = await this.#resolve(ask);
    const routeId = ask.routed ? await this.#route(ask.tenant, session.sessionKey) : "";
    const door = pick(this.#random, this.#scene.doors.runner);
    return submit({ door, session, routeId, timeoutMs: TURN_MS }, ask);
  }

  async #resolve({ tenant, name: value }: Ask): Promise<SessionRef> {
    const name = { case: "rawKey", value } as const;
    const door = pick(this.#random, this.#scene.doors.identity);
    const { session } = await door.resolveSession({ name }, { tenant, timeoutMs: CALL_MS });
    if (session?.ref === undefined) throw new Error("resolve told no session");
    return session.ref;
  }

  async #route(tenant: string, sessionKey: string): Promise<string> {
    const known = this.#routes.get(`${tenant} ${sessionKey}`);
    if (known !== undefined) return known;
    const address = `${this.#scene.sinkUrl}/${tenant}/${encodeURIComponent(sessionKey)}`;
    const door = pick(this.#random, this.#scene.doors.delivery);
    const request = { sessionKey, kind: RouteKind.WEBHOOK, address };
    const { route } = await door.registerRoute(request, { tenant, timeoutMs: CALL_MS });
    if (route === undefined) throw new Error("delivery told no route");
    this.#routes.set(`${tenant} ${sessionKey}`, route.routeId);
    return route.routeId;
  }
}

function isDefinite({ recorder }: Scene, error: unknown): boolean {
  return typeof recorder.judge(error) !== "string";
}
