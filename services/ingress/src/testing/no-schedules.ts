import { DatabaseUnavailableError } from "@lanekeeper/postgres";
import type { ScheduleStore } from "../schedules/store.ts";

async function away(): Promise<never> {
  throw new DatabaseUnavailableError("the database is down");
}

/** For tests that are about something else: nothing is due, and nothing can be stored. */
export const noSchedules: ScheduleStore = {
  create: away,
  apply: away,
  list: async () => [],
  find: async () => undefined,
  remove: away,
  pause: away,
  resume: away,
  claim: async () => [],
  settle: away,
  postpone: away,
};
