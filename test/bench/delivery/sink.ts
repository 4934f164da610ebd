// The receiver, in a process of its own: answers 200 and counts. Tells its port, then its count whenever
// it is asked.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

let posts = 0;
const ids = new Set<string>();
const server = createServer({ keepAliveTimeout: 60_000 }, (req, res) => {
  req.resume().once("end", () => {
    posts += 1;
    ids.add(String(req.headers["webhook-id"] ?? posts));
    res.end();
  });
});
server.listen(0, "127.0.0.1", () => {
  process.send?.({ port: (server.address() as AddressInfo).port });
});
process.on("message", () => process.send?.({ posts, distinct: ids.size }));
process.once("disconnect", () => {
  server.closeAllConnections();
  server.close();
});
