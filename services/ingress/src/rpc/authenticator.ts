import { type Authenticator, type Credentials, serviceTokenAuthenticator } from "@lanekeeper/rpc";
import type { Entrance } from "../credentials/entrance.ts";

/** The gRPC port takes the other services by their tokens, and everybody else by an API key. */
export function ingressAuthenticator(
  clusterSecret: string,
  credentials: Pick<Entrance, "authenticate" | "identify">,
): Authenticator {
  const services = serviceTokenAuthenticator(clusterSecret);
  return {
    knows: async (authorization) => {
      // Tokens are computed once and not looked up: asking twice costs nothing.
      if (isServices(authorization)) await services.authenticate(justShown(authorization));
      else await credentials.identify(authorization);
    },
    authenticate: async (shown) => {
      if (isServices(shown.authorization)) return services.authenticate(shown);
      const caller = await credentials.authenticate(shown.authorization);
      return { kind: "caller", caller };
    },
  };
}

function isServices(authorization: string | undefined): boolean {
  return /^bearer +lks1\./i.test(authorization ?? "");
}

function justShown(authorization: string | undefined): Credentials {
  return { authorization, header: () => undefined, certificate: () => undefined };
}
