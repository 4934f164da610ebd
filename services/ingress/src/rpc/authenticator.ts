import { type Authenticator, serviceTokenAuthenticator } from "@lanekeeper/rpc";
import type { CredentialCheck } from "../credentials/check.ts";

/** The gRPC port takes the other services by their tokens, and everybody else by an API key. */
export function ingressAuthenticator(
  clusterSecret: string,
  credentials: CredentialCheck,
): Authenticator {
  const services = serviceTokenAuthenticator(clusterSecret);
  return {
    authenticate: async (shown) => {
      if (/^bearer +lks1\./i.test(shown.authorization ?? "")) return services.authenticate(shown);
      const caller = await credentials.authenticate(shown.authorization);
      return { kind: "caller", caller };
    },
  };
}
