import type { ServerResponse } from "node:http";
import type { Authorize, BodyGuard } from "@lanekeeper/rpc";
import type { Credential } from "../credentials/credential.ts";
import type { Entrance } from "../credentials/entrance.ts";
import { noteRpc } from "../http/rpc-facts.ts";
import type { TellHeaders } from "../rate-limits/rate-limits.ts";
import { authorizeMethod } from "./permissions.ts";

/**
 * Lets a request over Connect in, once: before its body is read where it has one, so that one that cannot be
 * parsed has counted against its key's limits all the same.
 */
export function lettingIn(credentials: Pick<Entrance, "authenticate" | "hold">): {
  readonly admit: BodyGuard["admit"];
  readonly authorize: Authorize;
} {
  const admitted = new WeakMap<ServerResponse, Credential>();
  const letIn = async (
    headers: Headers,
    answer: ServerResponse | undefined,
    tell: TellHeaders,
  ): Promise<Credential> => {
    const authorization = headers.get("authorization") ?? undefined;
    const caller = await credentials.authenticate(authorization, tell, (known) => {
      if (answer !== undefined) noteRpc(answer, { caller: known });
    });
    if (answer !== undefined) credentials.hold(caller, answer);
    return caller;
  };
  return {
    admit: async (headers, answer) => {
      const tell: TellHeaders = (told) => {
        if (answer === undefined || answer.headersSent) return;
        for (const [name, value] of Object.entries(told)) answer.setHeader(name, value);
      };
      const caller = await letIn(headers, answer, tell);
      if (answer !== undefined) admitted.set(answer, caller);
    },
    authorize: async (method, headers, toldHeaders, answer) => {
      const tell: TellHeaders = (told) => {
        for (const [name, value] of Object.entries(told)) toldHeaders.set(name, value);
      };
      const known = answer === undefined ? undefined : admitted.get(answer);
      const caller = known ?? (await letIn(headers, answer, tell));
      authorizeMethod(caller, method);
      return caller;
    },
  };
}
