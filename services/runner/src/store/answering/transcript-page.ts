import { pageOfBytes } from "@lanekeeper/postgres";
import type { Message } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import { LIMITS } from "../../limits.ts";
import { messageOf } from "../codec.ts";

/** A message of a transcript with its place. */
export interface Said {
  readonly seq: bigint;
  readonly message: Message;
}

/** The end of a transcript, or of a part of it. */
export interface TranscriptPage {
  /** Newest first. */
  readonly said: readonly Said[];
  /** There may be more before them. */
  readonly isMore: boolean;
}

/** What `pageOfTranscript` selects. */
export interface PageRow {
  /** `{seq,...};{bytes,...}`, of the messages in their order; null: there is none. */
  readonly places: string | null;
  /** The messages, end to end. */
  readonly bodies: Buffer | null;
}

/**
 * The SQL of a page as one row: a value costs a client more than a message's bytes do, and a context is of
 * many messages (measured, for 16 of a hundred characters: 40 us of the client's time in place of 107). With
 * the message that goes over `LIMITS.transcriptPageBytes` it ends.
 *
 * @param newestFirst selects `seq` and `body` of messages, by `seq` downwards
 */
export function pageOfTranscript(newestFirst: string): string {
  return `
SELECT array_agg(seq)::text || ';' || array_agg("pageBytes")::text AS places,
  string_agg(body, ''::bytea) AS bodies
FROM (${pageOfBytes({
    select: `SELECT seq, body, octet_length(body) AS "pageBytes" FROM (${newestFirst}) newest`,
    order: "seq DESC",
    maxBytes: String(LIMITS.transcriptPageBytes),
  })}) page`;
}

/** @param limit so many messages were selected at the most */
export function pageOf({ places, bodies }: PageRow, limit: number): TranscriptPage {
  if (places === null || bodies === null) return { said: [], isMore: false };
  const [seqs = [], sizes = []] = places.split(";").map((list) => list.slice(1, -1).split(","));
  let end = 0;
  const said = seqs.map((seq, index): Said => {
    const from = end;
    end += Number(sizes[index]);
    return { seq: BigInt(seq), message: messageOf(bodies.subarray(from, end)) };
  });
  return { said, isMore: said.length === limit || end >= LIMITS.transcriptPageBytes };
}
