import { createHmac, timingSafeEqual } from "node:crypto";
import { LanekeeperError } from "../errors/lanekeeper-error.ts";
import { SERVICE_IDENTITY } from "../errors/to-status.ts";
import type { Authenticator, Credentials } from "./authenticator.ts";
import type { Peer } from "./peer.ts";
import { isServiceName, SERVICE_NAMES, type ServiceName } from "./service-name.ts";

/** Below this a secret can be guessed off line from one token. 128 bits in hex. */
const MIN_SECRET_CHARS = 32;

const SCHEME = "lks1";

/** What a client shows on each call. */
export interface ServiceCredential {
  readonly service: ServiceName;
  /** The whole `authorization` value. */
  readonly authorization: string;
}

/**
 * The credential of a service: `Bearer lks1.<service>.<HMAC-SHA256 of "lanekeeper service " and its
 * name under the cluster's secret>`. Each service is given its own token or the secret; a token
 * tells nothing about the others'.
 */
export function serviceCredential(service: ServiceName, clusterSecret: string): ServiceCredential {
  return { service, authorization: `Bearer ${serviceToken(service, clusterSecret)}` };
}

function serviceToken(service: ServiceName, clusterSecret: string): string {
  if (clusterSecret.length < MIN_SECRET_CHARS) {
    throw new Error(`the cluster secret needs at least ${MIN_SECRET_CHARS} characters`);
  }
  const hmac = createHmac("sha256", clusterSecret).update(`lanekeeper service ${service}`);
  return `${SCHEME}.${service}.${hmac.digest("base64url")}`;
}

/** Knows the services by their tokens, computed once; compares in constant time. */
export function serviceTokenAuthenticator(clusterSecret: string): Authenticator {
  const expected = new Map(
    SERVICE_NAMES.map((service) => [
      service,
      { peer: { kind: "service", service } as const, token: tokenBytes(service, clusterSecret) },
    ]),
  );
  return {
    authenticate: (credentials: Credentials): Peer => {
      const { service, token } = parseToken(credentials.authorization);
      const known = expected.get(service);
      if (known === undefined || !equal(known.token, token)) throw refuse("is not known here");
      return known.peer;
    },
  };
}

function tokenBytes(service: ServiceName, clusterSecret: string): Buffer {
  return Buffer.from(serviceToken(service, clusterSecret), "utf8");
}

function parseToken(authorization: string | undefined): { service: ServiceName; token: Buffer } {
  if (authorization === undefined) throw refuse("is missing");
  const token = /^bearer +(\S+)$/i.exec(authorization)?.[1] ?? "";
  const [scheme, service = ""] = token.split(".");
  if (scheme !== SCHEME || !isServiceName(service)) throw refuse("is none of a service");
  return { service, token: Buffer.from(token, "utf8") };
}

/** The length of a token is no secret; its content is. */
function equal(expected: Buffer, shown: Buffer): boolean {
  return expected.length === shown.length && timingSafeEqual(expected, shown);
}

function refuse(what: string): LanekeeperError {
  return new LanekeeperError("UNAUTHENTICATED", `the service credential ${what}`, {
    metadata: { [SERVICE_IDENTITY]: "unknown" },
  });
}
