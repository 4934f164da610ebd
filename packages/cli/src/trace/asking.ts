import { hasReason } from "@lanekeeper/rpc";
import type { ServiceName } from "@lanekeeper/service";
import { SilentServiceError } from "../operator/connect-error.ts";
import type { Operator } from "../operator/operator.ts";

/** Who is asked, and what they did not tell so far. */
export interface Asking {
  readonly operator: Operator;
  readonly silent: Set<ServiceName>;
  readonly refused: Refused[];
  readonly cut: Cut[];
}

/** A question that a service answered with a refusal. */
export interface Refused {
  readonly service: ServiceName;
  /** What was asked for. */
  readonly about: string;
  readonly error: unknown;
}

/** A question that a service could tell more of than was asked for. */
export interface Cut {
  readonly service: ServiceName;
  /** What was asked for. */
  readonly about: string;
  /** How many rows are told: of a list the newest. */
  readonly rows: number;
}

/** Rows of an answer, newest first. */
export interface Told<T> {
  readonly rows: readonly T[];
  /** There are more. */
  readonly isCut: boolean;
}

export function told<T>(rows: readonly T[], answer: { readonly nextPageToken: string }): Told<T> {
  return { rows, isCut: answer.nextPageToken !== "" };
}

/**
 * Nothing where a service does not answer, or refuses: it is when something is out of order that people
 * ask what became of something.
 */
export async function known<T>(
  { silent, refused, cut }: Asking,
  service: ServiceName,
  about: string,
  ask: () => Promise<Told<T>>,
): Promise<readonly T[]> {
  if (silent.has(service)) return [];
  try {
    const { rows, isCut } = await ask();
    if (isCut) cut.push({ service, about, rows: rows.length });
    return rows;
  } catch (error) {
    const isSilent = error instanceof SilentServiceError;
    if (isSilent || hasReason(error, "DRAINING", "STORE_UNAVAILABLE")) silent.add(service);
    else refused.push({ service, about, error });
    return [];
  }
}
