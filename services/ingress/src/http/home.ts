import { sendJson } from "./exchange.ts";
import type { Route } from "./routes.ts";

/** What stands at the door, for whoever opens it in a browser. */
export function homeRoute(version: string): Route {
  return {
    method: "GET",
    path: "/",
    handle: async ({ res }) =>
      sendJson(res, 200, {
        service: "lanekeeper",
        version,
        description: "Keeps a conversation in one place: an OpenAI-compatible API with sessions.",
        endpoints: [
          "POST /v1/chat/completions",
          "POST /v1/responses",
          "GET /v1/responses/<id>",
          "POST /v1/responses/<id>/cancel",
          "GET /v1/models",
          "POST /<package>.<Service>/<Method>",
        ],
        docs: "README.md and docs/ of the lanekeeper repository",
      }),
  };
}
