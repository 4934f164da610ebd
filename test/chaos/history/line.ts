import type { CallName } from "./calls.ts";
import type { SightName, Sights } from "./sights.ts";

/** One line of the record. `at` is in milliseconds of the one monotonic clock, from the run's begin. */
export type Line =
  | {
      readonly type: "invoke" | "ok" | "fail" | "info";
      readonly at: number;
      readonly op: number;
      readonly f: CallName;
      readonly process: string;
      /** What was asked; the answer; the refusal; why nobody knows. */
      readonly value: unknown;
    }
  | {
      readonly type: "seen";
      readonly at: number;
      readonly f: SightName;
      readonly value: Sights[SightName];
    };
