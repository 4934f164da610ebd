const UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}";
export const RESPONSE_ID_PREFIX = "resp_";
const RESPONSE_ID = new RegExp(`^${RESPONSE_ID_PREFIX}(${UUID})$`);
/** As `output.ts` makes them: what was said, and each call. */
const ITEM_ID = new RegExp(`^(?:msg_(${UUID})|fc_(${UUID})_\\d{1,3})$`);

/** The turn's id under another prefix: any replica finds the response, and nothing more is stored. */
export function responseId(turnId: string): string {
  return `${RESPONSE_ID_PREFIX}${turnId}`;
}

/** Undefined for what is no id of a response. */
export function turnIdOf(id: string): string | undefined {
  return RESPONSE_ID.exec(id)?.[1];
}

/** The turn that an item of an answer is of; undefined for what is no id of one. */
export function turnIdOfItem(id: string): string | undefined {
  const [, said, called] = ITEM_ID.exec(id) ?? [];
  return said ?? called;
}

/** When a turn was accepted, in seconds since 1970: its UUIDv7 begins with the milliseconds. */
export function createdSeconds(turnId: string): number {
  return Math.floor(Number.parseInt(turnId.replaceAll("-", "").slice(0, 12), 16) / 1_000);
}
