import { randomUUID } from "node:crypto";

/** Long enough for a UUID behind any proxy's prefix; a label that is longer helps nobody. */
const MAX_REQUEST_ID_CHARS = 128;

/** The label as it came if it is visible ASCII within bounds, else a new one. */
export function requestIdOr(label: string | undefined): string {
  if (label !== undefined && label.length <= MAX_REQUEST_ID_CHARS && /^[!-~]+$/.test(label)) {
    return label;
  }
  return randomUUID();
}
