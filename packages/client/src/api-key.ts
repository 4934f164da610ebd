import type { ServiceClientOptions } from "./service-clients.ts";

/** The credential of somebody outside, for ingress: the key of `<data dir>/api-key`, or an adapter's. */
export function apiKeyCredential(key: string): ServiceClientOptions["credential"] {
  return { authorization: `Bearer ${key}` };
}
