import { type Authenticator, serviceTokenAuthenticator } from "@lanekeeper/rpc";
import type { Entrance } from "../credentials/entrance.ts";

/** The gRPC port takes the other services by their tokens, and everybody else by an API key. */
export function ingressAuthenticator(
  clusterSecret: string,
  credentials: Pick<Entrance, "authenticate">,
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
