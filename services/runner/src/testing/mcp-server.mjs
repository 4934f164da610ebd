// A server of the Model Context Protocol for tests: over standard input and output, or, given "http",
// over HTTP at a port that it prints.
import { createServer } from "node:http";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import { z } from "zod";

function serverWithTools(authorization = "") {
  const server = new McpServer({ name: "test", version: "1" });
  const text = (value, more = {}) => ({ content: [{ type: "text", text: value }], ...more });
  const add = { description: "Adds.", inputSchema: { a: z.number(), b: z.number() } };
  server.registerTool("add", { ...add, annotations: { idempotentHint: true } }, ({ a, b }) =>
    text(String(a + b)),
  );
  server.registerTool(
    "env",
    { description: "Tells a variable.", inputSchema: { name: z.string() } },
    ({ name }) => text(process.env[name] ?? "unset"),
  );
  server.registerTool("whoami", { description: "Tells the credential." }, () =>
    text(authorization),
  );
  server.registerTool("fail", { description: "Fails." }, () => text("no luck", { isError: true }));
  server.registerTool("draw", { description: "Draws." }, () => ({
    content: [
      { type: "text", text: "drawn" },
      { type: "image", data: btoa("png"), mimeType: "image/png" },
      { type: "audio", data: btoa("wave"), mimeType: "audio/wav" },
      {
        type: "resource",
        resource: { uri: "file:///tmp/a%20b.pdf", mimeType: "application/pdf", blob: btoa("pdf") },
      },
      { type: "resource", resource: { uri: "mem://notes", text: "a note" } },
      { type: "resource_link", uri: "https://example.com/x", name: "x" },
    ],
  }));
  server.registerTool("long", { description: "Says much." }, () => text("é".repeat(5_000)));
  server.registerTool("flood", { description: "Says too much." }, () =>
    text("x".repeat(5 * 1024 * 1024)),
  );
  server.registerTool("shout", { description: "Says much on standard error." }, () => {
    process.stderr.write("e".repeat(5_000));
    return text("said");
  });
  server.registerTool(
    "hang",
    { description: "Never answers." },
    () => new Promise(() => undefined),
  );
  server.registerTool("die", { description: "Ends the server." }, () => process.exit(1));
  return server;
}

if (process.argv[2] === "http") {
  const http = createServer(async (request, response) => {
    const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: undefined });
    await serverWithTools(request.headers.authorization).connect(transport);
    await transport.handleRequest(request, response);
  });
  http.listen(0, "127.0.0.1", () => process.stdout.write(`${http.address().port}\n`));
} else {
  await serverWithTools().connect(new StdioServerTransport());
}
