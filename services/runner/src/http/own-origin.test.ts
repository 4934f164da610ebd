import { expect, test } from "vitest";
import { ownOriginFetch } from "./own-origin.ts";

const ANSWERS: Readonly<Record<string, readonly [number, string]>> = {
  "/mcp": [307, "/mcp/"],
  "/away": [307, "http://169.254.169.254/latest/"],
  "/port": [308, "http://endpoint.example:8080/"],
  "/loop": [307, "/loop"],
  "/form": [302, "/mcp/"],
  "/odd": [307, "http://["],
};

/** Asks, and tells the status and all addresses that were asked. */
async function ask(path: string, method = "POST") {
  const asked: string[] = [];
  const fetchOf = async (url: string | URL, init?: RequestInit) => {
    expect(init).toMatchObject({ method, redirect: "manual", headers: { a: "b" } });
    asked.push(String(url).replace("http://endpoint.example", ""));
    const [status, location] = ANSWERS[new URL(url).pathname] ?? [200, ""];
    return new Response(null, { status, headers: location === "" ? {} : { location } });
  };
  const init = { method, headers: { a: "b" } };
  const { status } = await ownOriginFetch(fetchOf)(`http://endpoint.example${path}`, init);
  return [status, ...asked];
}

test("a redirect within the origin is followed, with method, headers and body", async () => {
  expect(await ask("/mcp")).toEqual([200, "/mcp", "/mcp/"]);
  expect(await ask("/form", "GET")).toEqual([200, "/form", "/mcp/"]);
});

test("one that leads elsewhere, to nowhere, or that would change the method is an answer", async () => {
  expect(await ask("/away")).toEqual([307, "/away"]);
  expect(await ask("/port")).toEqual([308, "/port"]);
  expect(await ask("/odd")).toEqual([307, "/odd"]);
  expect(await ask("/form")).toEqual([302, "/form"]);
});

test("redirects in a circle end", async () => {
  expect(await ask("/loop")).toEqual([307, "/loop", "/loop", "/loop", "/loop"]);
});
