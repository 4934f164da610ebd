import { v7 } from "uuid";

/** Where new ids come from. Tests pass `sequentialIds()` from `@lanekeeper/service/testing`. */
export interface Ids {
  /** A UUIDv7 (RFC 9562), lower case; within one process each is greater than the last. */
  uuid(): string;
}

export const systemIds: Ids = { uuid: () => v7() };
