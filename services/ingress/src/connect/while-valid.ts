import type { DescService } from "@bufbuild/protobuf";
import type { Routes } from "@lanekeeper/rpc";
import { isCredential } from "../credentials/credential.ts";
import { StandingCheck, type StandingDeps } from "../credentials/standing-check.ts";

type Stream = (request: unknown, call: { readonly peer: unknown }) => AsyncIterable<unknown>;

/** The same routes, of which the streams end with the credential that opened them. */
export function whileValid<D extends DescService>(
  desc: D,
  routes: Routes<D>,
  deps: StandingDeps,
): Routes<D> {
  const all = routes as Readonly<Record<string, unknown>>;
  const streams = desc.methods
    .filter(({ methodKind }) => methodKind === "server_streaming")
    .map(({ localName }) => [localName, checked(all[localName] as Stream, deps)]);
  return { ...routes, ...(Object.fromEntries(streams) as Partial<Routes<D>>) };
}

function checked(open: Stream, deps: StandingDeps): Stream {
  return async function* (request, call) {
    const { caller } = call.peer as { readonly caller?: object };
    if (caller === undefined || !isCredential(caller)) {
      throw new Error("a stream was opened without a credential");
    }
    using standing = new StandingCheck(deps, caller);
    const source = open(request, call)[Symbol.asyncIterator]();
    for (;;) {
      const next = await standing.race(source.next());
      if (next.done) return;
      yield next.value;
    }
  };
}
