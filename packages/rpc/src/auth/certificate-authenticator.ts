import type { PeerCertificate } from "node:tls";
import { LanekeeperError } from "../errors/lanekeeper-error.ts";
import { SERVICE_IDENTITY } from "../errors/to-status.ts";
import type { Authenticator } from "./authenticator.ts";
import { isServiceName, type ServiceName } from "./service-name.ts";

/**
 * Knows the services by their verified certificates: by the last segment of a SPIFFE id among the
 * alternative names (`URI:spiffe://prod.example/lanekeeper/runner`,
 * https://spiffe.io/docs/latest/spiffe-about/spiffe-concepts/), else by the subject's common name.
 * Tokens are not looked at.
 */
export function certificateAuthenticator(): Authenticator {
  return {
    authenticate: ({ certificate }) => {
      const shown = certificate();
      if (shown?.subject === undefined) throw refuse("no client certificate was shown");
      const service = serviceOf(shown);
      if (service === undefined) throw refuse("the client certificate is none of a service");
      return { kind: "service", service };
    },
  };
}

function serviceOf({ subject, subjectaltname = "" }: PeerCertificate): ServiceName | undefined {
  const ids = [...subjectaltname.matchAll(/(?:^|, )URI:(spiffe:\/\/[^,"]+)/g)];
  const names = ids.map(([, id = ""]) => id.slice(id.lastIndexOf("/") + 1));
  // Of two ids nobody can say which one calls; beside one the common name does not count.
  const [name = subject.CN, second] = names;
  if (second !== undefined || typeof name !== "string") return undefined;
  return isServiceName(name) ? name : undefined;
}

function refuse(message: string): LanekeeperError {
  const metadata = { [SERVICE_IDENTITY]: "unknown" };
  return new LanekeeperError("UNAUTHENTICATED", message, { metadata });
}
