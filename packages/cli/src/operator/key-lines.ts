import type { ApiKey } from "@lanekeeper/protocol/lanekeeper/ingress/v1/api_key_service";
import { time } from "./session-lines.ts";

/** A key in one line. */
export function keyLine(key: ApiKey): string {
  const { apiKeyId, label, scopes, lastUseTime } = key;
  const used = lastUseTime === undefined ? "never used" : `used ${time(lastUseTime)}`;
  const parts = [scopes.join(" "), ...boundParts(key), ...stateParts(key), used];
  return `${apiKeyId}  ${label === "" ? "" : `${label}: `}${parts.join(", ")}`;
}

/** A key in full. */
export function keyLines(key: ApiKey): string[] {
  const { apiKeyId, label, scopes, rateLimit, createTime } = key;
  const { expireTime, previousExpireTime, revokeTime } = key;
  return [
    `key         ${apiKeyId}`,
    ...(label === "" ? [] : [`label       ${label}`]),
    `scopes      ${scopes.join(" ")}`,
    ...boundParts(key).map((part) => `bound to    ${part}`),
    ...(rateLimit === undefined
      ? []
      : [
          `limit       ${rateLimit.requestsPerMinute} requests a minute, ${rateLimit.burst} at once`,
        ]),
    `made        ${time(createTime)}`,
    ...(revokeTime === undefined ? [] : [`revoked     ${time(revokeTime)}`]),
    ...(expireTime === undefined ? [] : [`ends        ${time(expireTime)}`]),
    ...(previousExpireTime === undefined || revokeTime !== undefined
      ? []
      : [`text before valid until ${time(previousExpireTime)}`]),
  ];
}

/** The text of a key that was just made; a repeat has none. */
export function textLines(keyText: string): string[] {
  return keyText === ""
    ? ["no text     this repeats another call: a key's text is told once; rotate it for another"]
    : [`text        ${keyText}`, "            told this once: keep it now"];
}

function boundParts({ agentIds, sessionKeyPrefixes }: ApiKey): string[] {
  return [
    ...(agentIds.length === 0 ? [] : [`agents ${agentIds.join(" ")}`]),
    ...(sessionKeyPrefixes.length === 0 ? [] : [`keys ${sessionKeyPrefixes.join(" ")}`]),
  ];
}

function stateParts({ revokeTime, expireTime, previousExpireTime }: ApiKey): string[] {
  return [
    ...(revokeTime === undefined ? [] : [`revoked ${time(revokeTime)}`]),
    ...(expireTime === undefined ? [] : [`ends ${time(expireTime)}`]),
    // A revoked key's texts are all refused, whatever overlap was left.
    ...(previousExpireTime === undefined || revokeTime !== undefined
      ? []
      : [`the text before is valid until ${time(previousExpireTime)}`]),
  ];
}
