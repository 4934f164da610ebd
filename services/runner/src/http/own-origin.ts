import type { Fetch } from "./bounded-fetch.ts";

/** A path that a server spells otherwise, such as with a slash at its end, is one redirect away. */
const MAX_REDIRECTS = 3;

/**
 * A `fetch` that stays with the origin that was configured. Redirects within it are followed; one that leads
 * elsewhere is an answer like any other, so that whoever answers there cannot send the runner's requests, and
 * what they carry, to places that only the runner reaches.
 */
export function ownOriginFetch(fetchOf: Fetch = fetch): Fetch {
  return async (url, init = {}) => {
    let at = new URL(url);
    for (let redirects = 0; ; redirects += 1) {
      const response = await fetchOf(at, { ...init, redirect: "manual" });
      const next = nextOf(at, response, init.method ?? "GET");
      if (next === undefined || redirects === MAX_REDIRECTS) return response;
      await response.body?.cancel();
      at = next;
    }
  };
}

/** Where the same request is to be made again; undefined: nowhere, or at another origin. */
function nextOf(
  at: URL,
  { status, headers }: Pick<Response, "status" | "headers">,
  method: string,
): URL | undefined {
  const location = headers.get("location") ?? "";
  // Others than these have a POST become a GET (https://fetch.spec.whatwg.org/#http-redirect-fetch).
  const isSame = status === 307 || status === 308;
  const isRead = method === "GET" && [301, 302, 303].includes(status);
  if ((!isSame && !isRead) || !URL.canParse(location, at.href)) return undefined;
  const next = new URL(location, at);
  return next.origin === at.origin ? next : undefined;
}
