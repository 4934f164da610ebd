import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { DatabaseUnavailableError } from "../errors.ts";
import { testDatabase } from "../test-database.ts";
import { withClient } from "./client.ts";

const MISSING = "/nowhere/ca.pem";

test("a root certificate that is gone when connections are made again ended the process, and nobody was answered", async () => {
  const folder = await mkdtemp(join(tmpdir(), "lanekeeper-ca-"));
  const ca = join(folder, "ca.pem");
  await writeFile(ca, "");
  // A server that hangs up on whom it let in, as one that is restarted does.
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const url = `postgres://u:hunter2@127.0.0.1:${port}/db?sslmode=verify-full&sslrootcert=${ca}`;
  try {
    await using db = testDatabase({ url, poolSize: 1 });
    const asked = Promise.allSettled([db.query("SELECT 1"), db.query("SELECT 2")]);
    const [socket] = (await once(server, "connection")) as [Socket];
    await rm(ca);
    socket.destroy();
    const [, second] = await asked;
    const error: unknown = second.status === "rejected" ? second.reason : undefined;
    expect(error).toBeInstanceOf(DatabaseUnavailableError);
    expect(String(error)).toContain(`ENOENT: no such file or directory, open '${ca}'`);
    expect(String(error)).not.toContain("hunter2");
    expect(db.stats()).toEqual({ total: 0, idle: 0, waiting: 0 });
  } finally {
    server.close();
    await rm(folder, { recursive: true });
  }
});

test("an operator is told of a certificate that cannot be read as of a database that cannot be reached", async () => {
  const url = `postgres://u:hunter2@127.0.0.1:1/db?sslmode=verify-full&sslrootcert=${MISSING}`;
  const asked = withClient(url, "test", async () => undefined);
  await expect(asked).rejects.toThrow(DatabaseUnavailableError);
  await expect(asked).rejects.toThrow(MISSING);
});
