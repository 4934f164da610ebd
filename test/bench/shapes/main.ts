// `npm run bench:shapes`: the hidden classes that V8 makes for each turn, at each service. Objects that are put
// together alike share theirs; a class that is made for each object makes whoever reads it ask the runtime
// (docs/decisions/0057). Nothing is timed: it may run beside other work. Two replicas of each service as processes of
// their own. Ends with 1 where more are made than was so, with 2 when nothing could be counted.
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { createIdentityClient, createRunnerClient } from "@lanekeeper/client";
import { serviceCredential } from "@lanekeeper/rpc";
import type { Disposal, ServiceName } from "@lanekeeper/service";
import { BIN, type Cluster, startCluster } from "../../chaos/world/cluster.ts";
import { runBench, tellRows } from "../shared/bench.ts";
import { spreadOf } from "../shared/ratios.ts";
import type { Row } from "../shared/row.ts";
import { classesTold, tellingClasses, toggleTelling } from "./classes-made.ts";

/** Half as many again as on 1 December 2026: Node's own signals, three a class each, are nearly all of them. */
const AT_MOST: Readonly<Partial<Record<ServiceName, number>>> = {
  runner: 15,
  ingress: 10,
  "session-identity": 2,
};
const AGENT = "main";
const CALLERS = 16;
const KEYS = 100;
/** By then what is compiled is compiled. */
const WARM_UP = 4_000;
const TURNS = 1_000;
const SHOWN = 5;
const WHOLE_RUN_MS = 600_000;

async function measure(opened: Disposal): Promise<boolean> {
  const folder = join(process.cwd(), "test-results", "shapes");
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const program = [...tellingClasses(folder), BIN];
  const cluster = await startCluster(opened, { folder, program, hasUsualLeases: true });
  await configure(cluster);
  await ask(cluster, WARM_UP);
  const replicas = cluster.replicas.map(({ service, pid = 0 }) => ({ service, pid }));
  for (const { pid } of replicas) toggleTelling(pid);
  await ask(cluster, TURNS);
  for (const { pid } of replicas) toggleTelling(pid);
  const rows: Row[] = [];
  for (const [service, atMost] of Object.entries(AT_MOST)) {
    const own = replicas.filter((each) => each.service === service).map(({ pid }) => pid);
    rows.push(rowOf(service, await classesTold(folder, own), atMost));
  }
  return tellRows(rows);
}

/** The scripted model, and a context of fixed size. */
async function configure(cluster: Cluster): Promise<void> {
  const credential = serviceCredential("cli", cluster.secret);
  const of = (service: ServiceName) => ({
    ...{ target: cluster.targets(service).join(","), credential },
    defaults: { tenant: "default" },
  });
  using identity = createIdentityClient(of("session-identity"));
  using runner = createRunnerClient(of("runner"));
  await identity.applyKeyPolicies({ defaultAgentId: AGENT, policies: [{ agentId: AGENT }] });
  const model = { provider: { case: "scripted", value: {} } } as const;
  const context = { contextTokenBudget: 2_000, compaction: { off: true } };
  await runner.applyAgents({ agents: [{ agentId: AGENT, model, ...context }] });
}

function rowOf(service: string, counts: ReadonlyMap<string, number>, atMost: number): Row {
  const sorted = [...counts].sort(([, a], [, b]) => b - a);
  console.log(`${service}: made for 1,000 turns, by lines of its script`);
  for (const [where, count] of sorted.slice(0, SHOWN))
    console.log(`  ${((count / TURNS) * 1_000).toFixed(0).padStart(6)} ${where}`);
  const perTurn = sorted.reduce((sum, [, count]) => sum + count, 0) / TURNS;
  return {
    what: `hidden classes made for a turn, ${service}`,
    ours: perTurn.toFixed(2),
    baseline: "",
    judged: spreadOf([perTurn]),
    unit: "",
    goal: { atMost },
  };
}

/** Turns of conversations in turn, through both doors. */
async function ask({ baseUrls, apiKey }: Cluster, turns: number): Promise<void> {
  let asked = 0;
  const caller = async () => {
    while (asked < turns) {
      const turn = asked++;
      const response = await fetch(`${baseUrls[turn % baseUrls.length]}/v1/chat/completions`, {
        method: "POST",
        headers: {
          "content-type": "application/json",
          authorization: `Bearer ${apiKey}`,
          "x-session-key": `shape-${turn % KEYS}`,
        },
        body: JSON.stringify({
          model: "lanekeeper",
          messages: [{ role: "user", content: `hello ${turn}` }],
        }),
      });
      const text = await response.text();
      if (response.status !== 200) throw new Error(`${response.status} ${text}`);
    }
  };
  await Promise.all(Array.from({ length: CALLERS }, caller));
}

await runBench(WHOLE_RUN_MS, measure);
