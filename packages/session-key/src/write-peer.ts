import { encodeComponent } from "./encode-component.ts";
import type { Peer } from "./peer.ts";

/** All parts of a peer in one line. Empty stands for an absent account, since none may be empty. */
export function writePeer({ channel, account = "", kind, peer, thread }: Peer): string {
  const parts = [channel, account, kind, peer, ...(thread === undefined ? [] : [thread])];
  return `:${parts.map(encodeComponent).join(":")}`;
}
