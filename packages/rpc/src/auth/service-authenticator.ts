import type { Authenticator } from "./authenticator.ts";
import { certificateAuthenticator } from "./certificate-authenticator.ts";
import { serviceTokenAuthenticator } from "./service-credential.ts";

/** Services know each other by certificates where traffic is mutual TLS, else by tokens of the cluster's secret. */
export function serviceAuthenticator(clusterSecret: string, isMutualTls: boolean): Authenticator {
  return isMutualTls ? certificateAuthenticator() : serviceTokenAuthenticator(clusterSecret);
}
