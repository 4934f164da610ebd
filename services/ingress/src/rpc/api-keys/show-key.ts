import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { ApiKeySchema } from "@lanekeeper/protocol/lanekeeper/ingress/v1/api_key_service";
import type { ApiKey } from "../../keys/api-key.ts";
import { rateLimitMessage } from "../rate-limit.ts";

const TIMES = [
  "expireTime",
  "rotateTime",
  "previousExpireTime",
  "revokeTime",
  "lastUseTime",
] as const;

/** A key as it is told of. */
export function keyMessage(key: ApiKey): MessageInitShape<typeof ApiKeySchema> {
  const times = TIMES.flatMap((name) => {
    const time = key[name];
    return time === undefined ? [] : [[name, timestampFromDate(time)] as const];
  });
  const rateLimit = rateLimitMessage(key.rateLimit);
  return {
    apiKeyId: key.apiKeyId,
    label: key.label,
    scopes: [...key.scopes],
    agentIds: [...key.agents],
    sessionKeyPrefixes: [...key.keyPrefixes],
    createPrincipal: key.createPrincipal,
    createTime: timestampFromDate(key.createTime),
    ...(rateLimit === undefined ? {} : { rateLimit }),
    ...Object.fromEntries(times),
  };
}
