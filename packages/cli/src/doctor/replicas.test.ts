import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { RunnerService } from "@lanekeeper/protocol/lanekeeper/runner/v1/runner_service";
import {
  allowAll,
  draining,
  type Routes,
  serveGrpc,
  service,
  serviceTokenAuthenticator,
  storeUnavailable,
} from "@lanekeeper/rpc";
import { expect, onTestFinished, test } from "vitest";
import type { ConstellationState } from "../constellation/folder/state-file.ts";
import { lookAtReplicas, type ReplicasInput } from "./replicas.ts";

const SECRET = "secret-of-a-test-secret-of-a-test";

/** The address of a runner that lists lanes so, until the test ends. */
async function runner(listLanes: () => Promise<object> = async () => ({})): Promise<string> {
  const refuse = async () => {
    throw new Error("not asked for");
  };
  const names = RunnerService.methods.map(({ localName }) => [localName, refuse]);
  const routes = { ...Object.fromEntries(names), listLanes } as Routes<typeof RunnerService>;
  const server = await serveGrpc({
    ...{ host: "127.0.0.1", port: 0, authenticator: serviceTokenAuthenticator(SECRET) },
    services: [service({ desc: RunnerService, routes, allow: allowAll(RunnerService, "cli") })],
  });
  onTestFinished(async () => void (await server.drain({ timeoutMs: 0 })));
  return server.address;
}

/** The address of what takes connections and never says a word, or of nothing any more. */
async function stranger({ isGone }: { readonly isGone: boolean }): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  if (isGone) await new Promise((resolve) => server.close(resolve));
  else onTestFinished(() => void server.close());
  return address;
}

const refusing = (error: Error) => runner(() => Promise.reject(error));

function look(target: string | undefined, more: Partial<ReplicasInput> = {}) {
  return lookAtReplicas({
    ...{ env: { LANEKEEPER_RUNNER_TARGET: target }, state: undefined, clusterSecret: SECRET },
    ...{ tls: async () => undefined, ...more },
  });
}

/** What runs here: a runner at an address, and what the others were told of it. */
const running = (grpc: string, target: string) =>
  ({ services: { runner: { grpc, target } } }) as unknown as ConstellationState;

test("of several replicas each is asked, and the one that is unwell is named", async () => {
  const addresses = [
    await runner(),
    await stranger({ isGone: true }),
    await stranger({ isGone: false }),
    await refusing(storeUnavailable("its database is full")),
    await refusing(draining()),
  ];
  const findings = await look(addresses.join(","));
  expect(findings.map(({ address }) => address)).toEqual(addresses);
  expect(findings.map(({ verdict }) => verdict)).toEqual([
    ...["ok", "problem", "problem", "problem", "note"],
  ]);
  const [well, gone, mute, full, drains] = addresses;
  const todo = "see that it runs and can be reached, or take it out of LANEKEEPER_RUNNER_TARGET.";
  expect(findings.map(({ text }) => text)).toEqual([
    `answers at ${well}`,
    `runner at ${gone} does not answer (connect ECONNREFUSED ${gone}): ${todo}`,
    `runner at ${mute} does not answer (nothing within 2 s): ${todo}`,
    `runner at ${full} is not well (STORE_UNAVAILABLE: runner: its database is full): look into its log.`,
    `${drains} drains: it ends soon`,
  ]);
});

test("a replica that has another cluster secret is told to be given this one", async () => {
  const clusterSecret = "another-secret-another-secret-another";
  const [finding] = await look(await runner(), { clusterSecret });
  expect(finding).toMatchObject({
    verdict: "problem",
    text: expect.stringContaining("does not know the cluster secret"),
  });
});

test("the replicas that the running services were told are asked, apart from one's own", async () => {
  const [own, other] = ["127.0.0.1:1", await runner()];
  const state = running(own, `${own},${other}`);
  expect((await look("127.0.0.1:2", { state })).map(({ address }) => address)).toEqual([other]);
  expect(await look(undefined, { state: running(own, own) })).toEqual([]);
});

test("without a target there is nobody to ask, without a secret that is said, without TLS files why", async () => {
  expect(await look(undefined)).toEqual([]);
  expect(await look("10.0.0.1:1,10.0.0.2:1", { clusterSecret: undefined })).toMatchObject([
    ...[{ verdict: "note", text: expect.stringMatching(/^10\.0\.0\.1:1, 10\.0\.0\.2:1 cannot/) }],
  ]);
  const tls = () => Promise.reject(new Error("no such file"));
  expect(await look("127.0.0.1:1", { tls })).toMatchObject([
    ...[{ verdict: "problem", text: expect.stringContaining("no such file") }],
  ]);
});

test("a name is looked up, and asked at each of its addresses; a family that nobody listens at is no fault", async () => {
  const address = await runner();
  const findings = await look(`dns:///localhost:${address.split(":")[1]}`);
  expect(findings).toContainEqual(
    expect.objectContaining({ verdict: "ok", address, subject: "runner" }),
  );
  expect(findings.filter(({ verdict }) => verdict === "problem")).toEqual([]);
});

test("a name that leads nowhere is a problem that names its variable", async () => {
  expect(await look("dns:///nobody.invalid:7102")).toMatchObject([
    {
      verdict: "problem",
      text: expect.stringMatching(
        /^LANEKEEPER_RUNNER_TARGET is dns:\/\/\/nobody\.invalid:7102: no replica is found there: /,
      ),
    },
  ]);
});
