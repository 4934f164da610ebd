import type { InboundEvent } from "@lanekeeper/adapter-kit";
import { type Clock, Turnstile } from "@lanekeeper/service";
import { isObject, type JsonObject } from "../../http/json-body.ts";
import type { IngressLimits } from "../../limits.ts";

/** An update as Telegram gives it. */
export interface Update extends JsonObject {
  readonly update_id: number;
}

/** Events of updates that are being read, by the updates' ids. */
export type Readings = ReadonlyMap<number, Promise<InboundEvent>>;

/** What reading ahead works with. */
export interface ReadingAhead {
  readonly clock: Clock;
  readonly limits: Pick<
    IngressLimits,
    "albumFiles" | "albumQuietMs" | "albumReadsAtOnce" | "albumUpdates" | "albumWaitMs"
  >;
  /** What an update says, with its files. */
  readonly read: (update: Update) => Promise<InboundEvent>;
  /** What Telegram has from the first that is not taken on; confirms nothing. Undefined: not now. */
  readonly again: () => Promise<readonly Update[] | undefined>;
  readonly signal: AbortSignal;
}

/**
 * An album comes as an update for each file, and its files may take long. So that they are not answered one by one,
 * the album that the first of these updates begins is read before it is taken: its files beside each other, and
 * those of them that Telegram has got meanwhile, until none has come for a moment. What stands between them is
 * read too, since nothing is taken out of its order.
 * @returns what there is to be taken now, and what of it is read
 */
export async function readAlbum(
  how: ReadingAhead,
  updates: readonly Update[],
): Promise<{ readonly updates: readonly Update[]; readonly readings: Readings }> {
  const readings = new Map<number, Promise<InboundEvent>>();
  const album = albumOf(updates[0]);
  if (album === undefined) return { updates, readings };
  const { clock, limits, signal } = how;
  const untilMs = clock.monotonicMs() + limits.albumWaitMs;
  const read = readingFew(how);
  let found = updates;
  for (let count = 0; ; ) {
    const span = spanOf(found, album, limits);
    for (const update of span) {
      const { update_id: id } = update;
      if (!readings.has(id)) readings.set(id, read(update));
    }
    const quiet = clock.sleep(limits.albumQuietMs, signal);
    await Promise.allSettled([...readings.values(), quiet]);
    const files = span.filter((update) => albumOf(update) === album).length;
    const isWhole = files === count || files >= limits.albumFiles;
    if (isWhole || signal.aborted || clock.monotonicMs() > untilMs) break;
    count = files;
    found = (await how.again()) ?? found;
  }
  return { updates: found, readings };
}

/** Reads a few at once: each holds a file. */
function readingFew({ limits, read, signal }: ReadingAhead): ReadingAhead["read"] {
  const turnstile = new Turnstile(limits.albumReadsAtOnce);
  return async (update) => {
    const leave = await turnstile.enter(signal);
    try {
      return await read(update);
    } finally {
      leave();
    }
  };
}

/** Whose album a new message's file is of. An edit of one is not sent with the others. */
function albumOf(update: Update | undefined): string | undefined {
  const message = update?.["message"] ?? update?.["channel_post"];
  if (!isObject(message) || !isObject(message["chat"])) return undefined;
  const group = message["media_group_id"];
  return typeof group === "string" ? `${String(message["chat"]["id"])}/${group}` : undefined;
}

/** From the album's first file to its last, as far as that is near. */
function spanOf(
  updates: readonly Update[],
  album: string,
  { albumUpdates }: Pick<IngressLimits, "albumUpdates">,
): readonly Update[] {
  const near = updates.slice(0, albumUpdates);
  return near.slice(0, near.findLastIndex((update) => albumOf(update) === album) + 1);
}
