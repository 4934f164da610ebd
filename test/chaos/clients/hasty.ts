import { setTimeout as sleep } from "node:timers/promises";
import type { ConflictWord } from "../history/calls.ts";
import { TENANTS } from "../world/tenants.ts";
import { pick, type Random, randomFor } from "./random.ts";
import { type Scene, untilOver } from "./scene.ts";
import type { Turns } from "./turns.ts";

interface Chat {
  readonly name: string;
  readonly kinds: readonly ConflictWord[];
}

/** In the first two it can be told which of the two ended a turn; in the last they meet. */
const CHATS: readonly Chat[] = [
  { name: "hasty:stop", kinds: ["INTERRUPT", "COALESCE", "STEER"] },
  { name: "hasty:back", kinds: ["ROLLBACK", "COALESCE", "STEER"] },
  { name: "hasty:both", kinds: ["INTERRUPT", "ROLLBACK", "STEER"] },
];
const PEOPLE = 2;

/** People in a hurry: what they say next stops, takes back, joins or goes into what they said before. */
export async function hurry(scene: Scene, turns: Turns): Promise<void> {
  const people = TENANTS.flatMap((tenant) =>
    Array.from({ length: PEOPLE }, (_, n) => beHasty(scene, turns, tenant, n)),
  );
  await Promise.all(people);
}

/** In few conversations, so that their haste meets; nobody resets those. */
async function beHasty(scene: Scene, turns: Turns, tenant: string, n: number): Promise<void> {
  const process = `${tenant} hasty ${n}`;
  const random = randomFor(scene.seed, process);
  await untilOver(scene, async () => {
    const { name, kinds } = pick(random, CHATS);
    const onConflict = pick(random, kinds);
    // What joins or is handed over has to go to the same place.
    const same = { door: "grpc", routed: random() < 0.3 } as const;
    const say = (attached: boolean, more: { onConflict?: ConflictWord } = {}) =>
      turns.ask(process, turns.wish(tenant, name, { ...same, attached, ...more }));
    const before = Array.from({ length: onConflict === "COALESCE" ? 2 : 1 }, () => say(false));
    await sleep(whileItRuns(random));
    await Promise.all([...before, say(random() < 0.3, { onConflict })]);
    await sleep(100 + random() * 400);
  });
}

/** From before its admission to about its end. */
function whileItRuns(random: Random): number {
  return 10 + random() * 120;
}
