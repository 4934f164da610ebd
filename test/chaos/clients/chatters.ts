import { setTimeout as sleep } from "node:timers/promises";
import { randomUUID } from "node:crypto";
import { AGENT, NARROW, NARROW_WAITING, NESTER, TENANTS } from "../world/tenants.ts";
import { NEST } from "../world/model.ts";
import { IdentityCalls } from "./identity-calls.ts";
import { pick, type Random, randomFor } from "./random.ts";
import { type Scene, untilOver } from "./scene.ts";
import type { Turns } from "./turns.ts";

/** Conversations of each tenant, under the same names. */
const CHATS = 3;
const CHATTERS_OF_A_CHAT = 2;
/** How many ask the same at once. */
const STORM = 8;

/** Everybody who has turns: people, operators who reset, agents who send to each other. */
export async function chatter(scene: Scene, turns: Turns): Promise<void> {
  const people = TENANTS.flatMap((tenant) =>
    Array.from({ length: CHATS * CHATTERS_OF_A_CHAT }, (_, n) =>
      talk(scene, turns, tenant, n % CHATS, `${tenant} person ${n}`),
    ),
  );
  const others = TENANTS.flatMap((tenant) => [
    reset(scene, tenant),
    nest(scene, turns, tenant),
    overfill(scene, turns, tenant),
  ]);
  await Promise.all([...people, ...others]);
}

/** Spellings of one name. */
function namesOf(chat: number): readonly string[] {
  return [`chat:${chat}`, `chat:${chat}`, `agent:${AGENT}:chat:${chat}`];
}

async function talk(
  scene: Scene,
  turns: Turns,
  tenant: string,
  chat: number,
  process: string,
): Promise<void> {
  const random = randomFor(scene.seed, process);
  await untilOver(scene, async () => {
    const isHttp = tenant === TENANTS[0] && random() < 0.5;
    const routed = !isHttp && random() < 0.8;
    const attached = isHttp || random() < 0.6;
    const door = isHttp ? "http" : "grpc";
    const wish = turns.wish(tenant, pick(random, namesOf(chat)), { door, routed, attached });
    await turns.ask(process, wish);
    await repeat(turns, random, process, wish);
    await sleep(random() * 150);
  });
}

/** Now and then the same again, all at once, or something else under the same key. */
async function repeat(
  turns: Turns,
  random: Random,
  process: string,
  wish: ReturnType<Turns["wish"]>,
): Promise<void> {
  const luck = random();
  if (luck < 0.1) await turns.askOnce(process, wish);
  else if (luck < 0.13) {
    const storm = Array.from({ length: STORM }, (_, n) =>
      turns.askOnce(`${process} storm ${n}`, wish),
    );
    await Promise.all(storm);
  } else if (luck < 0.17) {
    const other = { ...wish.ask, text: `${wish.ask.text} but other` };
    await turns.askOnce(process, { ...wish, ask: other });
  }
}

/** Resets a chat now and then, twice by the same id. */
async function reset(scene: Scene, tenant: string): Promise<void> {
  const process = `${tenant} operator`;
  const random = randomFor(scene.seed, process);
  const calls = new IdentityCalls(scene.recorder, process);
  await untilOver(scene, async () => {
    await sleep(700 + random() * 1_500);
    const key = `agent:${AGENT}:chat:${Math.floor(random() * CHATS)}`;
    const ask = { tenant, key, request: randomUUID(), expected: 0 };
    await calls.rotate(pick(random, scene.doors.identity), ask);
    if (random() < 0.4) await calls.rotate(pick(random, scene.doors.identity), ask);
  });
}

/** A sends to B and waits, B sends to A: that would close the cycle, and both begin at once. */
async function nest(scene: Scene, turns: Turns, tenant: string): Promise<void> {
  const process = `${tenant} nester`;
  let round = 0;
  await untilOver(scene, async () => {
    round += 1;
    const keys = ["a", "b"].map((side) => `agent:${NESTER}:${side}:${round}`);
    const sends = keys.map((key, index) => {
      const say = `${NEST} ${keys[1 - index]} ${key} and back`;
      return turns.wish(tenant, key, { door: "grpc", nested: true, say });
    });
    await Promise.all(sends.map((wish) => turns.ask(process, wish)));
    await sleep(1_500);
  });
}

/** More than a lane holds, at once. */
async function overfill(scene: Scene, turns: Turns, tenant: string): Promise<void> {
  const process = `${tenant} crowd`;
  let round = 0;
  await untilOver(scene, async () => {
    const name = `agent:${NARROW}:full:${(round += 1)}`;
    const crowd = Array.from({ length: NARROW_WAITING + 4 }, () =>
      turns.ask(process, turns.wish(tenant, name, { door: "grpc", attached: false })),
    );
    await Promise.all(crowd);
    await sleep(3_000);
  });
}
