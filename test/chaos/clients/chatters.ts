import { setTimeout as sleep } from "node:timers/promises";
import { randomUUID } from "node:crypto";
import { NARROW, NARROW_WAITING } from "../judges/g15-bounds.ts";
import { AGENT, NESTER, TENANTS } from "../world/tenants.ts";
import { NEST } from "../world/model.ts";
import { IdentityCalls } from "./identity-calls.ts";
import { pick, type Random, randomFor } from "./random.ts";
import { making, type Scene, untilOver } from "./scene.ts";
import type { Turns } from "./turns.ts";

/** Conversations of each tenant, under the same names. */
const CHATS = 3;
const CHATTERS_OF_A_CHAT = 2;
/** How many ask the same at once. */
const STORM = 12;

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
    sayMuch(scene, turns, tenant),
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
    await repeat(scene, turns, random, process, wish);
    await sleep(random() * 150);
  });
}

/** Now and then the same again, all at once, or something else under the same key. */
async function repeat(
  scene: Scene,
  turns: Turns,
  random: Random,
  process: string,
  wish: ReturnType<Turns["wish"]>,
): Promise<void> {
  const luck = random();
  if (luck < 0.1) await turns.askOnce(process, wish);
  else if (luck < 0.13) {
    const storm = () =>
      Array.from({ length: STORM }, (_, n) => turns.askOnce(`${process} storm ${n}`, wish));
    await making(scene, "storm of repeats", process, () => Promise.all(storm()));
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

/** Within what is taken, and above the bounds of each door: 8 MiB over HTTP, 4 MiB over gRPC. */
const MUCH_BYTES = 200_000;
const TOO_MUCH_BYTES = 9 * 2 ** 20;

/** Huge bodies, each of which is taken or refused as a whole. */
async function sayMuch(scene: Scene, turns: Turns, tenant: string): Promise<void> {
  const process = `${tenant} talker`;
  const random = randomFor(scene.seed, process);
  let round = 0;
  await untilOver(scene, async () => {
    await sleep(4_000 + random() * 8_000);
    const door = tenant === TENANTS[0] && random() < 0.5 ? "http" : "grpc";
    const wish = turns.wish(tenant, `agent:${AGENT}:much:${(round += 1)}`, { door });
    await making(scene, "huge body", process, async () => {
      await turns.ask(process, { ...wish, padBytes: MUCH_BYTES });
      const other = turns.wish(tenant, wish.ask.name, { door });
      await turns.askOnce(process, { ...other, padBytes: TOO_MUCH_BYTES });
    });
  });
}
