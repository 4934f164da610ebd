import type {
  OnFailure,
  OnUnknown,
  RouteKind,
} from "@lanekeeper/protocol/lanekeeper/delivery/v1/route";

/** A route as it is stored. */
export interface RouteRow {
  readonly routeId: string;
  readonly sessionKey: string;
  readonly kind: RouteKind;
  readonly accountId: string;
  readonly address: string;
  readonly threadId: string;
  readonly source: string;
  readonly isDefault: boolean;
  readonly signingSecret: string;
  readonly onFailure: OnFailure;
  readonly onUnknown: OnUnknown;
  /** The dead letter that holds it. */
  readonly blockedBy: string | null;
  readonly changeNumber: number;
  readonly createTime: Date;
  readonly updateTime: Date;
}

/** Selects a RouteRow. */
export const ROUTE_COLUMNS = `route_id AS "routeId", session_key AS "sessionKey", kind,
  account_id AS "accountId", address, thread_id AS "threadId", source, is_default AS "isDefault",
  signing_secret AS "signingSecret", on_failure AS "onFailure", on_unknown AS "onUnknown",
  blocked_by AS "blockedBy", change_number AS "changeNumber", create_time AS "createTime",
  update_time AS "updateTime"`;
