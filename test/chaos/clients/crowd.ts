import { TENANTS } from "../world/tenants.ts";
import { randomFor } from "./random.ts";
import type { Scene } from "./scene.ts";
import type { Turns } from "./turns.ts";

/** So many turns over so many keys. */
export interface CrowdSize {
  readonly turns: number;
  readonly keys: number;
}

/** Asks for turns until each is known, by both doors; a lane has one that is waited for and one that is not. */
export async function crowd(
  scene: Scene,
  turns: Turns,
  { turns: all, keys }: CrowdSize,
): Promise<void> {
  const shares = Array.from({ length: keys }, (_, n) => Math.floor((all + n) / keys));
  await Promise.all(shares.map((share, n) => people(scene, turns, n, share)));
}

async function people(scene: Scene, turns: Turns, n: number, share: number): Promise<void> {
  const process = `person ${n}`;
  const random = randomFor(scene.seed, process);
  const [first, other] = TENANTS;
  const tenant = n % 2 === 0 ? first : other;
  for (let left = share; left > 0; left -= 2) {
    const door = tenant === first && random() < 0.5 ? "http" : "grpc";
    const asked = [turns.ask(process, turns.wish(tenant, `crowd:${n}`, { door }))];
    if (left > 1) {
      const alone = { door: "grpc", attached: false } as const;
      asked.push(turns.ask(process, turns.wish(tenant, `crowd:${n}`, alone)));
    }
    await Promise.all(asked);
  }
}
