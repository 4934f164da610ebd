import type { Piece } from "../domain/chat-pieces.ts";
import type { SendOutcome } from "../domain/send-outcome.ts";
import type { Reply, SendNotes } from "./channel.ts";

/** The piece that is to be sent now; undefined: there is nothing (more) to show. */
export function nextPiece(
  pieces: readonly Piece[],
  reply: Pick<Reply, "acceptedPieces">,
  notes: SendNotes,
): Piece | undefined {
  notes.pieces(pieces.length);
  return pieces[reply.acceptedPieces];
}

/** The channel took the piece: that was the reply, or there is more of it. */
export function taken(
  pieceCount: number,
  { acceptedPieces }: Pick<Reply, "acceptedPieces">,
  providerMessageId: string,
): SendOutcome {
  const isLast = acceptedPieces + 1 >= pieceCount;
  return { kind: isLast ? "sent" : "accepted", providerMessageId };
}

/** A reply that has nothing to show has arrived by definition. */
export const NOTHING_TO_SHOW: SendOutcome = { kind: "sent", providerMessageId: "" };
