import type { Turn } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { describeError } from "../describe-error.ts";
import type { Cut, Refused } from "./asking.ts";
import type { Gathered } from "./gather.ts";

/** What the story leaves out, and why: a line each. */
export function gapsOf(found: Gathered): string[] {
  return [
    ...found.silent.map((service) => `${service} does not answer: what it knows is missing`),
    ...found.refused.map(refusedLine),
    ...found.cut.map(cutLine),
    ...(isIngressHeard(found) ? lostRequests(found).map(lostLine) : []),
  ];
}

function refusedLine({ service, about, error }: Refused): string {
  return `${service} does not tell of ${about}: ${describeError(error)}`;
}

function cutLine({ service, about, rows }: Cut): string {
  return `${service} knows more: of ${about} only ${rows} are told`;
}

function isIngressHeard({ silent, refused }: Gathered): boolean {
  return !silent.includes("ingress") && refused.every(({ service }) => service !== "ingress");
}

/**
 * Turns of the doors that write down each request, without one. Schedules, channels that are polled,
 * tools and the services' own RPCs keep none.
 */
function lostRequests({ turns, requests }: Gathered): Turn[] {
  return turns.filter(
    ({ turnId, requestId, origin }) =>
      origin?.source === "http" &&
      !requests.some((one) => one.turnId === turnId || one.requestId === requestId),
  );
}

function lostLine({ requestId, turnId }: Turn): string {
  return (
    `ingress has no record of the request ${requestId} of turn ${turnId}: it goes on, or its ingress died ` +
    "before it wrote one, or it is older than 30 days"
  );
}
