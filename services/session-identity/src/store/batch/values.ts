/** An int8: bigint from the driver, text or a number (below 2^53) from JSON. */
export type Whole = bigint | number | string;
/** A timestamptz: Date from the driver, ISO 8601 from JSON. */
export type Moment = Date | string;

export function big(value: Whole | null): bigint {
  return value === null ? 0n : BigInt(value);
}

/** Milliseconds since 1970; 0 for null. */
export function ms(value: Moment | null): number {
  if (value === null) return 0;
  return value instanceof Date ? value.getTime() : Date.parse(value);
}

export function iso(timeMs: number): string {
  return new Date(timeMs).toISOString();
}

export function optional<T>(value: T | null): T | undefined {
  return value ?? undefined;
}
