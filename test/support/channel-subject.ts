import { randomBytes } from "node:crypto";
import type { AdapterSubject, SentEvent } from "@lanekeeper/adapter-kit/conformance";
import { createEdgeClients } from "@lanekeeper/client";
import type { TestConstellation } from "@lanekeeper/testing";

/** A secret as Standard Webhooks has them. */
export const newWebhookSecret = (): string => `whsec_${randomBytes(32).toString("base64")}`;

/** How a platform posts an event to its account's path. */
export interface Posted {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** A platform, as the conformance suite plays it against an adapter of ingress. */
export function channelSubject(
  lanekeeper: TestConstellation,
  post: (event: SentEvent) => Posted,
  nameOf: AdapterSubject["nameOf"],
): AdapterSubject {
  const { baseUrl, apiKey } = lanekeeper;
  return {
    lanekeeper: createEdgeClients({ baseUrl, apiKey }),
    agentId: "",
    nameOf,
    send: async (event) => {
      const { path, headers, body } = post(event);
      const answer = await fetch(`${baseUrl}${path}`, { method: "POST", headers, body });
      await answer.arrayBuffer();
      return answer.ok;
    },
    restart: async () => {
      await lanekeeper.kill("ingress");
      await lanekeeper.waitReady();
    },
  };
}
