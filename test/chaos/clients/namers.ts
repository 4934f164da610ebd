import { setTimeout as sleep } from "node:timers/promises";
import { AGENT, TENANTS } from "../world/tenants.ts";
import { IdentityCalls } from "./identity-calls.ts";
import { pick, randomFor } from "./random.ts";
import { type Scene, untilOver } from "./scene.ts";

/** Names that mean one key, by what they mean; the chatters' own are among them. */
const SPELLINGS: Readonly<Record<string, readonly string[]>> = {
  "chat 0": ["chat:0", `agent:${AGENT}:chat:0`, `Agent:${AGENT.toUpperCase()}:chat:0`],
  "chat 1": ["chat:1", `AGENT:${AGENT}:chat:1`],
  "chat 2": ["chat:2", `agent:${AGENT}:chat:2`],
  "Chat 0": ["Chat:0"],
  "chat 0 with a tail": ["chat:0:"],
  main: ["main", "MAIN", `agent:${AGENT}:Main`],
  é: ["caf\u00e9", "cafe\u0301"],
  "no é": ["cafe"],
};

/** Asks what names mean, at every door, and for sessions of the other tenant by their ids. */
export async function nameThings(scene: Scene): Promise<void> {
  const random = randomFor(scene.seed, "namers");
  const calls = new IdentityCalls(scene.recorder, "namer");
  const meanings = Object.entries(SPELLINGS);
  let round = 0;
  await untilOver(scene, async () => {
    const [alike, names] = meanings[(round += 1) % meanings.length] ?? ["", []];
    const tenant = pick(random, TENANTS);
    const ask = (name: string) =>
      calls.normalize(pick(random, scene.doors.identity), { tenant, name, alike });
    await Promise.all(names.map(ask));
    const name = pick(random, names);
    const found = await calls.resolve(pick(random, scene.doors.identity), { tenant, name });
    const stranger = TENANTS.find((other) => other !== tenant) ?? "";
    if (found !== undefined) {
      const peek = { tenant: stranger, owner: tenant, sessionId: found.sessionId };
      await calls.peek(pick(random, scene.doors.identity), peek);
    }
    await sleep(50);
  });
}
