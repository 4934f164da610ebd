import { execFile, spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

import { systemIds } from "@lanekeeper/service";
import { startConstellation } from "@lanekeeper/testing";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";

import { type BufCurl, BufRefused, bufCurl } from "../support/buf-curl.ts";
import { NO_PROXY } from "../support/document.ts";

const ROOT = join(import.meta.dirname, "../..");

let lanekeeper: Awaited<ReturnType<typeof startConstellation>>;
let clusterSecret: string;

beforeAll(async () => {
  lanekeeper = await startConstellation();
  clusterSecret = readFileSync(join(lanekeeper.dataDir, "cluster-secret"), "utf8").trim();
});
afterAll(() => lanekeeper?.stop());

interface Ref {
  readonly sessionKey: string;
  readonly sessionId: string;
  readonly generation: string;
}

describe.each<BufCurl["schema"]>(["reflection", "files"])("buf curl, by %s", (schema) => {
  const call = (service: string, method: string, request: object) => {
    const target = lanekeeper.targets["session-identity"];
    return bufCurl({ target, clusterSecret, service, schema }, method, request);
  };

  async function resolve(rawKey: string): Promise<Ref> {
    const answer = await call("cli", "ResolveSession", { rawKey });
    return (answer as { session: { ref: Ref } }).session.ref;
  }

  const reset = ({ sessionKey, generation }: Ref) =>
    call("cli", "RotateSession", {
      ...{ requestId: randomUUID(), sessionKey, reason: "ROTATION_REASON_RESET" },
      expectedGeneration: generation,
    });

  const refusal = (called: Promise<unknown>) =>
    called.then(
      () => undefined,
      (error: unknown) => (error instanceof BufRefused ? error.refusal : error),
    );

  test("resolves, and resets once for one expectation", async () => {
    const ref = await resolve(`buf:${schema}:1`);
    expect(ref).toMatchObject({ sessionKey: `agent:main:buf:${schema}:1`, generation: "1" });
    expect(await reset(ref)).toMatchObject({ rotation: { current: { generation: "2" } } });
    expect(await refusal(reset(ref))).toMatchObject({
      code: "aborted",
      details: {
        "google.rpc.ErrorInfo": {
          reason: "GENERATION_MISMATCH",
          domain: "lanekeeper",
          metadata: { generation: "2", expected: "1" },
        },
      },
    });
  });

  test("as a runner, is told STALE with the current fence once its session was reset", async () => {
    const ref = await resolve(`buf:${schema}:2`);
    const { fence } = (await call("runner", "BeginRun", {
      sessionKey: ref.sessionKey,
      admittedGeneration: ref.generation,
      turnId: randomUUID(),
      runId: systemIds.uuid(),
      leaseDuration: "15s",
      acceptTime: new Date().toISOString(),
      turnClass: "TURN_CLASS_PERSON",
    })) as { fence: object };
    const progress = (eventSeq: number) =>
      call("runner", "WriteLifecycle", { run: fence, eventSeq, progress: { phase: "model" } });
    expect(await progress(1)).toMatchObject({ applied: true });
    await reset(ref);
    expect(await refusal(progress(2))).toMatchObject({
      code: "failed_precondition",
      details: {
        "google.rpc.ErrorInfo": { reason: "STALE_GENERATION" },
        "lanekeeper.identity.v1.StaleFence": {
          current: { session: { sessionKey: ref.sessionKey, generation: "2" } },
          cause: { reason: "ROTATION_REASON_RESET", principal: "buf" },
        },
      },
    });
  });

  test("a service that is no runner may not begin runs", async () => {
    const begun = call("cli", "BeginRun", { sessionKey: "agent:main:any" });
    expect(await refusal(begun)).toMatchObject({
      code: "permission_denied",
      details: { "google.rpc.ErrorInfo": { reason: "PERMISSION_DENIED" } },
    });
  });
});

/** Debian installs for its own Python, which may not be the first on the path. */
const PYTHON = ["python3", "/usr/bin/python3"].find(
  (python) => spawnSync(python, ["-c", "import grpc, grpc_tools.protoc"]).status === 0,
);
const WITHOUT_PYTHON =
  PYTHON === undefined ? " (skipped: needs python3-grpcio and python3-grpc-tools)" : "";

test.skipIf(PYTHON === undefined)(
  `Python resolves, rotates, and is told STALE, by the protos alone${WITHOUT_PYTHON}`,
  async () => {
    const generated = mkdtempSync(join(tmpdir(), "lanekeeper-python-"));
    onTestFinished(() => rmSync(generated, { recursive: true }));
    const protos = readdirSync(join(ROOT, "proto"), { recursive: true, encoding: "utf8" });
    const files = protos.filter((file) => file.endsWith(".proto"));
    await python(
      ["-m", "grpc_tools.protoc", "-Iproto", `--python_out=${generated}`].concat(
        `--grpc_python_out=${generated}`,
        files,
      ),
    );
    const example = "packages/client/examples/resolve_and_rotate.py";
    const said = await python([example, "demo:python"], {
      PYTHONPATH: generated,
      LANEKEEPER_CLUSTER_SECRET: clusterSecret,
      LANEKEEPER_IDENTITY_TARGET: lanekeeper.targets["session-identity"],
    });
    expect(said.trim().split("\n")).toEqual([
      "resolved agent:main:demo:python generation 1",
      "run epoch 1",
      "rotated to generation 2",
      "refused FAILED_PRECONDITION STALE_GENERATION: generation 2 is current",
    ]);
  },
);

async function python(args: readonly string[], env: Record<string, string> = {}): Promise<string> {
  const options = { cwd: ROOT, env: { ...process.env, ...NO_PROXY, ...env } };
  return (await promisify(execFile)(PYTHON ?? "", args, options)).stdout;
}
