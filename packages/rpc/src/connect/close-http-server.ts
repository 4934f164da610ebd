import type { Server } from "node:http";
import type { Http2Server, ServerHttp2Session } from "node:http2";

/** Ends a server of node:http or node:http2. */
export interface HttpServerCloser {
  /** Idle connections are closed at once, others after their answers, all when the time is over. */
  close(timeoutMs: number): Promise<void>;
}

/**
 * Remembers the sessions of an HTTP/2 server from now on: its `close()` alone never returns while a
 * client keeps a session open. Call it before the server listens.
 */
export function closableServer(server: Server | Http2Server): HttpServerCloser {
  const sessions = new Set<ServerHttp2Session>();
  server.on("session", (session: ServerHttp2Session) => {
    sessions.add(session);
    session.once("close", () => sessions.delete(session));
  });
  return {
    close: async (timeoutMs) => {
      const closed = new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
      for (const session of sessions) session.close();
      if ("closeIdleConnections" in server) server.closeIdleConnections();
      const timer = setTimeout(() => destroyAll(server, sessions), timeoutMs);
      await closed;
      clearTimeout(timer);
    },
  };
}

function destroyAll(server: Server | Http2Server, sessions: Set<ServerHttp2Session>): void {
  for (const session of sessions) session.destroy();
  if ("closeAllConnections" in server) server.closeAllConnections();
}
