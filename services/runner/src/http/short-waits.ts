import type { Fetch } from "./bounded-fetch.ts";

/**
 * A `fetch` after whose failed answers nobody waits longer than `maxMs`: one that asks for more is not to be
 * tried again. The openai package waits as long as it is asked to, and sees neither its signal nor its timeout
 * meanwhile.
 */
export function shortWaits(maxMs: number, fetchOf: Fetch): Fetch {
  return async (url, init) => {
    const response = await fetchOf(url, init);
    const { ok, status, statusText, body } = response;
    if (ok || askedWaitMs(response.headers, Date.now()) <= maxMs) return response;
    const headers = new Headers(response.headers);
    headers.set("x-should-retry", "false");
    return new Response(body, { status, statusText, headers });
  };
}

/** The longest that any header asks for, read as the package does; 0: none does. */
function askedWaitMs(headers: Headers, nowMs: number): number {
  const seconds = headers.get("retry-after") ?? "";
  const waits = [
    Number.parseFloat(headers.get("retry-after-ms") ?? ""),
    Number.parseFloat(seconds) * 1_000,
    // RFC 9110, 10.2.3: seconds, or a date.
    Number.isNaN(Number.parseFloat(seconds)) ? Date.parse(seconds) - nowMs : 0,
  ];
  return Math.max(0, ...waits.filter((waitMs) => !Number.isNaN(waitMs)));
}
