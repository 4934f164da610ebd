import { setTimeout as sleep } from "node:timers/promises";
import { pick } from "../clients/random.ts";
import { DOUBLED } from "../history/doubled.ts";
import type { Mishap } from "../world/call-proxy.ts";
import type { Weather } from "../world/link.ts";
import type { Fault } from "./fault.ts";

const WEATHER_MS = 1_500;
const MISHAPS_MS = 3_000;

export const cut = weather("cut link", "cut");
export const slow = weather("slow link", "delay");
export const blackhole = weather("blackhole", "blackhole");

function weather(kind: string, weatherOf: Weather): Fault {
  return {
    kind,
    plan(cluster, random) {
      const link = pick(random, cluster.links);
      const inflict = async () => {
        link.weather = weatherOf;
        await sleep(WEATHER_MS);
        link.weather = "open";
        return link.touched;
      };
      return { target: link.name, inflict };
    },
  };
}

/** Who keeps the dead end finds out by itself, by keepalives or deadlines. */
export const halfOpen: Fault = {
  kind: "half-open connections",
  plan(cluster, random) {
    const link = pick(random, cluster.links);
    const end = random() < 0.5 ? 0 : 1;
    return { target: link.name, inflict: async () => link.halfOpen(end) };
  },
};

export const lostRequests = mishap("lost requests", "the request is lost");
export const lostReplies = mishap("lost replies", "the reply is lost, the call took effect");
export const doubledRequests = mishap(DOUBLED, "the request comes twice");
export const lateRequests = mishap("requests past a reset", "the request comes late");

/** Single calls between any two services, and of clients; also those in frames. */
function mishap(kind: string, what: Mishap): Fault {
  return {
    kind,
    plan(cluster, random) {
      const link = pick(random, cluster.callLinks);
      return { target: link.name, inflict: () => link.mislead(what, random, MISHAPS_MS) };
    },
  };
}
