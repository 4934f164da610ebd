const RESPONSE_ID = /^resp_([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/;

/** The turn's id under another prefix: any replica finds the response, and nothing more is stored. */
export function responseId(turnId: string): string {
  return `resp_${turnId}`;
}

/** Undefined for what is no id of a response. */
export function turnIdOf(id: string): string | undefined {
  return RESPONSE_ID.exec(id)?.[1];
}

/** When a turn was accepted, in seconds since 1970: its UUIDv7 begins with the milliseconds. */
export function createdSeconds(turnId: string): number {
  return Math.floor(Number.parseInt(turnId.replaceAll("-", "").slice(0, 12), 16) / 1_000);
}
