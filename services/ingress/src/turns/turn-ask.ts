import type { JsonObject } from "@bufbuild/protobuf";
import type { Message } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import type { RequestOptions } from "../openai/request-options.ts";

/** A turn as it was asked for, whatever API asked. */
export interface TurnAsk {
  /** As the client wrote it; answers echo it. */
  readonly model: string;
  /** Empty: the key's agent, else the tenant's default. */
  readonly agentId: string;
  /** Undefined: stateless. */
  readonly rawKey: string | undefined;
  /** A canonical key: `rawKey` must lead to the same session. */
  readonly sameSessionAs?: string;
  readonly options: RequestOptions;
  readonly messages: readonly Message[];
  /** What goes on to the model as it came. */
  readonly parameters: JsonObject;
}
