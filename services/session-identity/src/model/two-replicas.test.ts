import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { randomUUID } from "node:crypto";
import fc from "fast-check";
import { test } from "vitest";
import { testDatabase } from "../testing/database.ts";
import { DbClock } from "../testing/drive/db-clock.ts";
import { Records } from "../testing/drive/differs.ts";
import { type Door, grpcDoor } from "../testing/drive/door.ts";
import {
  CallCommand,
  readBoth,
  type Service,
  type Stories,
  WaitCommand,
} from "../testing/drive/model-command.ts";
import { move } from "../testing/drive/moves.ts";
import { SessionIds } from "../testing/drive/session-ids.ts";
import { Story } from "../testing/drive/story.ts";
import { type IdentityClient, startReplica } from "../testing/identity.ts";
import type { Db } from "../store/db.ts";
import { IDLE_MS } from "./facts.ts";

const database = testDatabase();

const either = fc.constantFrom(0 as const, 1 as const);
const mostlyFirst = fc.constantFrom<(0 | 1)[]>(0, 0, 0, 0, 1);
const calls = fc
  .tuple(mostlyFirst, either, move)
  .map(([tenant, replica, made]) => new CallCommand(tenant, replica, made));
/** Leases live 300 s and sessions go idle after an hour: a sum of these waits comes near neither. */
const waits = fc.constantFrom(420_000, 420_000, 7_200_000).map((ms) => new WaitCommand(ms));
const commands = fc.commands([calls, calls, calls, calls, calls, calls, calls, waits], {
  maxCommands: 60,
  size: "max",
});

/** A tenant whose sessions go idle. */
async function idleTenant(cli: IdentityClient): Promise<string> {
  const tenant = `t-${randomUUID()}`;
  const policies = [{ agentId: "main", idleAfter: durationFromMs(IDLE_MS) }];
  await cli.applyKeyPolicies({ defaultAgentId: "main", policies }, { tenant });
  return tenant;
}

async function newService(
  cli: IdentityClient,
  doors: readonly [Door, Door],
  clock: DbClock,
  query: Db,
): Promise<Service> {
  const tenants = [await idleTenant(cli), await idleTenant(cli)] as const;
  const records = [new Records(), new Records()] as const;
  const stored = await readBoth(query, tenants);
  return { doors, tenants, ids: new SessionIds(), clock, query, records, stored };
}

test("two replicas on one Postgres answer and store what the contract says, call by call", async () => {
  const clock = new DbClock();
  const [one, other] = [
    await startReplica(clock.on(database.open())),
    await startReplica(clock.on(database.open())),
  ];
  const cli = one.client("cli");
  const doors = [grpcDoor(one), grpcDoor(other)] as const;
  const query = database.open();
  await fc.assert(
    fc.asyncProperty(commands, async (sequence) => {
      const real = await newService(cli, doors, clock, query);
      const model: Stories = [new Story(), new Story()];
      await fc.asyncModelRun(() => ({ model, real }), sequence);
    }),
    { numRuns: 40, seed: 20_240_503, unbiased: true },
  );
});
