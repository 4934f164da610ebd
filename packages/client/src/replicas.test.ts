import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { serviceCredential } from "@lanekeeper/rpc";
import { bundledProgram } from "@lanekeeper/testing";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { createIdentityClient, type IdentityClient } from "./index.ts";

const SECRET = "replicas-replicas-replicas-replicas";
const CALLERS = 64;

interface Replica {
  readonly process: ChildProcess;
  readonly pid: string;
  readonly port: number;
}

const started: Replica[] = [];

beforeAll(async () => {
  started.push(...(await Promise.all([startReplica(), startReplica(), startReplica()])));
});

afterAll(async () => {
  await Promise.all(started.map(kill));
});

async function startReplica(): Promise<Replica> {
  const path = await bundledProgram(join(import.meta.dirname, "fixtures/replica.ts"));
  const child = fork(path, [SECRET], { execArgv: [] });
  const [port] = (await once(child, "message")) as [number];
  return { process: child, pid: String(child.pid), port };
}

async function kill({ process: child }: Replica): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
}

function connect(target: string): IdentityClient {
  const client = createIdentityClient({
    target,
    credential: serviceCredential("cli", SECRET),
    defaults: { tenant: "acme" },
  });
  onTestFinished(() => client.$close());
  return client;
}

function replica(index: number): Replica {
  const found = started[index];
  if (found === undefined) throw new Error(`there is no replica ${index}`);
  return found;
}

/** Calls that travel in Exchange streams once they are warm, and calls that never do. */
const CALLS: Record<string, (client: IdentityClient) => Promise<string | undefined>> = {
  resolveSession: async (client) => (await client.resolveSession({})).binding?.source,
  getSession: async (client) => (await client.getSession({})).session?.agentId,
};

test.each(Object.keys(CALLS))("%s goes round all replicas of a list", async (name) => {
  const both = [replica(0), replica(1)];
  const client = connect(both.map(({ port }) => `127.0.0.1:${port}`).join(","));
  const answered = new Set<string | undefined>();
  while (answered.size < both.length) answered.add(await CALLS[name]?.(client));
  expect(answered).toEqual(new Set(both.map(({ pid }) => pid)));
});

test("a replica that is killed under 64 callers fails no call", async () => {
  const [dying, staying] = [replica(2), replica(0)];
  const client = connect(`127.0.0.1:${dying.port},127.0.0.1:${staying.port}`);
  const counts = new Map<string, number>();
  const total = () => [...counts.values()].reduce((sum, count) => sum + count, 0);
  let enough = Number.POSITIVE_INFINITY;
  onTestFinished(() => void (enough = 0));
  const call = async (name: string): Promise<void> => {
    while (total() < enough) {
      const who = (await CALLS[name]?.(client)) ?? "nobody";
      counts.set(who, (counts.get(who) ?? 0) + 1);
    }
  };
  const names = Object.keys(CALLS);
  const callers = Array.from({ length: CALLERS }, (_, index) =>
    call(names[index % names.length] ?? ""),
  );
  const served = () => Math.min(...[dying, staying].map(({ pid }) => counts.get(pid) ?? 0));
  await expect.poll(served).toBeGreaterThan(CALLERS);
  await kill(dying);
  enough = total() + 10 * CALLERS;
  await Promise.all(callers);
  expect([...counts.keys()].toSorted()).toEqual([dying.pid, staying.pid].toSorted());
});

test.each(Object.keys(CALLS))(
  "%s is asked of another while a replica is stopped and not dead, and of both once it goes on",
  async (name) => {
    const [hanging, healthy] = [replica(0), replica(1)];
    const client = connect(`127.0.0.1:${hanging.port},127.0.0.1:${healthy.port}`);
    const answered = new Set<string | undefined>();
    // Beyond the calls after which streams are opened.
    for (let n = 0; n < 32 || answered.size < 2; n += 1) answered.add(await CALLS[name]?.(client));
    hanging.process.kill("SIGSTOP");
    onTestFinished(() => void hanging.process.kill("SIGCONT"));
    const begunMs = performance.now();
    const one = async () => CALLS[name]?.(client);
    const meanwhile = await Promise.all(Array.from({ length: 50 }, one));
    expect(new Set(meanwhile)).toEqual(new Set([healthy.pid]));
    // A call has 10 s, and the connection ends after 18 s.
    expect(performance.now() - begunMs).toBeLessThan(8_000);
    hanging.process.kill("SIGCONT");
    answered.clear();
    while (answered.size < 2) answered.add(await CALLS[name]?.(client));
  },
);

test("a name is looked up", async () => {
  const { port, pid } = replica(0);
  expect(await CALLS["resolveSession"]?.(connect(`dns:///localhost:${port}`))).toBe(pid);
  expect(await CALLS["resolveSession"]?.(connect(`localhost:${port}`))).toBe(pid);
});

test("with all replicas gone a call ends as UNAVAILABLE, long before its deadline", async () => {
  const { port } = replica(1);
  const client = connect(`127.0.0.1:${port}`);
  await client.getSession({});
  await kill(replica(1));
  await expect(client.getSession({}, { timeoutMs: 60_000 })).rejects.toMatchObject({
    codeName: "UNAVAILABLE",
  });
});
