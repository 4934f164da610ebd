import { type Timestamp, timestampMs } from "@bufbuild/protobuf/wkt";
import { SessionIdentityService } from "@lanekeeper/protocol/lanekeeper/identity/v1/identity_service";
import type { Rotation } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import type { Turn } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { type PageRequest, readPages } from "../listing/read-pages.ts";
import type { Operator } from "../operator/operator.ts";
import type { Told } from "./asking.ts";

/** From now back to the turn's acceptance: a key that is reset more often is a storm. */
const BOUND = { limit: 1_000 };

/** Changes of generation under a turn's key between its acceptance and its end. */
export async function rotationsDuring(operator: Operator, turn: Turn): Promise<Told<Rotation>> {
  const { listRotations } = SessionIdentityService.method;
  const { sessionKey } = turn;
  const ask = async (page: PageRequest) => {
    const answer = await operator.call(listRotations, { sessionKey, ...page });
    return { rows: answer.rotations, nextPageToken: answer.nextPageToken };
  };
  const rows: Rotation[] = [];
  let isCut = false;
  for await (const page of readPages(ask, BOUND)) {
    rows.push(...page.rows.filter(({ createTime }) => isDuring(turn, createTime)));
    if (isBefore(turn, page.rows.at(-1)?.createTime)) return { rows, isCut: false };
    isCut = page.nextPageToken !== "";
  }
  return { rows, isCut };
}

function isDuring({ acceptTime, endTime }: Turn, time: Timestamp | undefined): boolean {
  if (acceptTime === undefined || time === undefined) return false;
  const [from, at] = [timestampMs(acceptTime), timestampMs(time)];
  return at >= from && (endTime === undefined || at <= timestampMs(endTime));
}

/** The newest come first: what follows is older yet. */
function isBefore({ acceptTime }: Turn, time: Timestamp | undefined): boolean {
  if (acceptTime === undefined || time === undefined) return true;
  return timestampMs(time) < timestampMs(acceptTime);
}
