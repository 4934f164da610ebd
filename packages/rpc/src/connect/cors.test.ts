import { createServer } from "node:http";
import { expect, onTestFinished, test } from "vitest";
import { applyCors, type CorsOptions } from "./cors.ts";

async function serve(options: CorsOptions): Promise<string> {
  const server = createServer((request, response) => {
    if (!applyCors(request, response, options)) response.end("ok");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("not a TCP server");
  return `http://127.0.0.1:${address.port}`;
}

const origin = "https://app.example";

test("a preflight of an allowed origin may send what Connect sends, and our headers", async () => {
  const url = await serve({ allowedOrigins: [origin], allowedHeaders: ["x-session-key"] });
  const headers = { origin, "access-control-request-method": "POST" };
  const response = await fetch(url, { method: "OPTIONS", headers });
  expect(response.status).toBe(204);
  expect(response.headers.get("access-control-allow-origin")).toBe(origin);
  const allowed = response.headers.get("access-control-allow-headers")?.toLowerCase() ?? "";
  for (const name of ["connect-protocol-version", "authorization", "x-grpc-web", "x-session-key"]) {
    expect(allowed).toContain(name);
  }
});

test("an answer shows scripts the status details of gRPC-Web and the request id", async () => {
  const url = await serve({ allowedOrigins: ["*"] });
  const response = await fetch(url, { headers: { origin } });
  const exposed = response.headers.get("access-control-expose-headers")?.toLowerCase();
  expect(exposed).toContain("grpc-status-details-bin");
  expect(exposed).toContain("x-request-id");
  expect(response.headers.get("vary")).toBe("origin");
  expect(await response.text()).toBe("ok");
});

test("an origin that is not configured gets no permission", async () => {
  const url = await serve({ allowedOrigins: [origin] });
  const response = await fetch(url, { headers: { origin: "https://evil.example" } });
  expect(response.headers.get("access-control-allow-origin")).toBeNull();
});
