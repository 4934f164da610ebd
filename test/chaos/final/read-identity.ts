import { Decision, type JournalEntry } from "@lanekeeper/protocol/lanekeeper/identity/v1/journal";
import { RotationReason, type Session } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import type { Scene } from "../clients/scene.ts";
import { enumName } from "../history/enum-name.ts";
import { TENANTS } from "../world/tenants.ts";
import { allPages } from "./pages.ts";

/** Everything that session-identity has: sessions, generations, and the journal as ground truth. */
export async function readIdentity({ doors, recorder }: Scene): Promise<void> {
  const [door] = doors.identity;
  if (door === undefined) throw new Error("no door");
  for (const tenant of TENANTS) {
    const sessions = await allPages(
      (pageToken) => door.listSessions({ pageSize: 500, pageToken }, { tenant }),
      (page) => page.sessions,
    );
    for (const session of sessions) recorder.saw("finalSession", sessionOf(tenant, session));
    for (const { ref } of sessions) {
      const sessionKey = ref?.sessionKey ?? "";
      const rotations = await allPages(
        (pageToken) => door.listRotations({ sessionKey, pageSize: 500, pageToken }, { tenant }),
        (page) => page.rotations,
      );
      for (const { current, reason } of rotations) {
        recorder.saw("finalGeneration", {
          ...{ tenant, key: sessionKey, sessionId: current?.sessionId ?? "" },
          generation: Number(current?.generation ?? 0n),
          reason: enumName(RotationReason, reason),
        });
      }
      const entries = await allPages(
        (pageToken) => door.listJournal({ sessionKey, pageSize: 500, pageToken }, { tenant }),
        (page) => page.entries,
      );
      for (const entry of entries) recorder.saw("finalJournal", entryOf(tenant, entry));
    }
  }
}

function sessionOf(tenant: string, { ref, runEpoch, revision, activeRun }: Session) {
  return {
    ...{ tenant, key: ref?.sessionKey ?? "", sessionId: ref?.sessionId ?? "" },
    generation: Number(ref?.generation ?? 0n),
    epoch: Number(runEpoch),
    revision: Number(revision),
    activeRun: activeRun?.runId ?? "",
  };
}

function entryOf(tenant: string, entry: JournalEntry) {
  const { operation, reason, deliveryId, turnId, shown } = entry;
  return {
    ...{ tenant, operation, reason, deliveryId, turnId, key: entry.sessionKey },
    entryId: Number(entry.entryId),
    accepted: entry.decision === Decision.ACCEPTED,
    generation: Number(entry.generation),
    shownRun: shown?.runId ?? "",
    shownGeneration: Number(shown?.session?.generation ?? 0n),
  };
}
