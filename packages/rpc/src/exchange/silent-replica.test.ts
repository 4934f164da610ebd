import { expect, test } from "vitest";
import { aborted, type EchoClient, failure, gate } from "../testing/echo.ts";
import { framingClient, startExchange, untilFramed } from "../testing/exchange-echo.ts";
import { tcpProxy } from "../testing/tcp-proxy.ts";

/** Silence is noticed within half a second, where a call has 5 s; on a busy machine a ping takes a while. */
const SOON = { silentMs: 60, answerMs: 400, spreadMs: 5 };
/** Too large for a frame. */
const LARGE = "x".repeat(70_000);
const CALLS = 20;

/** A replica whose link can be swallowed, one that answers, and a client that has a stream to each. */
async function hangingBeside(shout?: (text: string) => Promise<void>) {
  const routes = {
    shout: async ({ text }: { text: string }) => {
      await shout?.(text);
      return { text: text.slice(0, 8) };
    },
  };
  const hanging = await startExchange({ routes });
  const healthy = await startExchange({ routes });
  const proxy = await tcpProxy(hanging.server.port);
  const target = `${proxy.address},${healthy.server.address}`;
  const client = framingClient(target, { exchange: SOON });
  await untilFramed(client, hanging, healthy);
  return { hanging, healthy, proxy, client };
}

async function shoutAll(client: EchoClient, text: string): Promise<Set<string>> {
  const answers = new Set<string>();
  for (let n = 0; n < CALLS; n += 1) answers.add((await client.shout({ text })).text);
  return answers;
}

test.each(["framed", LARGE])("who hangs is not waited for: another is asked (%#)", async (text) => {
  const { healthy, proxy, client } = await hangingBeside();
  proxy.blackhole();
  expect(await shoutAll(client, text)).toEqual(new Set([text.slice(0, 8)]));
  expect(healthy.reports.filter(({ method }) => method === "Shout").length).toBe(CALLS);
});

test("calls that were on the way when their replica began to hang are asked of another", async () => {
  const held = gate();
  let begun = 0;
  const { proxy, client, healthy } = await hangingBeside(async () => {
    begun += 1;
    if (begun <= CALLS) await held.opened;
  });
  const pending = Array.from({ length: CALLS }, (_, n) => client.shout({ text: `t${n}` }));
  await expect.poll(() => begun).toBe(CALLS);
  proxy.blackhole();
  held.open();
  expect((await Promise.all(pending)).map(({ text }) => text)).toEqual(
    Array.from({ length: CALLS }, (_, n) => `t${n}`),
  );
  expect(healthy.reports.filter(({ method }) => method === "Shout").length).toBe(CALLS);
});

test.each(["framed", LARGE])("who is slow and answers pings is asked once (%#)", async (text) => {
  const asked: string[] = [];
  const slow = gate();
  const { client } = await hangingBeside(async (said) => {
    asked.push(said);
    await slow.opened;
  });
  const pending = [client.shout({ text }), client.shout({ text })];
  await expect.poll(() => asked.length).toBe(2);
  await new Promise((resolve) => setTimeout(resolve, 2 * (SOON.silentMs + SOON.answerMs)));
  slow.open();
  await Promise.all(pending);
  expect(asked).toHaveLength(2);
});

test("a call that may be made once only is made once", async () => {
  const { hanging, healthy, proxy, client } = await hangingBeside();
  proxy.blackhole();
  const once = { retry: false, timeoutMs: 1_000 } as const;
  // Two at once: one to each.
  const settled = await Promise.allSettled([client.shout({}, once), client.shout({}, once)]);
  expect(settled.map(({ status }) => status).toSorted()).toEqual(["fulfilled", "rejected"]);
  const shouts = [hanging, healthy].flatMap(({ reports }) =>
    reports.filter(({ method }) => method === "Shout"),
  );
  expect(shouts).toHaveLength(1);
});

test("where there is no other, a silent one is waited for as long as the call takes", async () => {
  const release = gate();
  const only = await startExchange({
    routes: {
      shout: async ({ text }) => {
        await release.opened;
        return { text };
      },
    },
  });
  const proxy = await tcpProxy(only.server.port);
  const client = framingClient(proxy.address, { exchange: SOON });
  await untilFramed(client, only);
  const pending = client.shout({ text: "late" });
  proxy.hold();
  await new Promise((resolve) => setTimeout(resolve, 2 * (SOON.silentMs + SOON.answerMs)));
  release.open();
  proxy.pass();
  expect((await pending).text).toBe("late");
  expect(only.reports.map(({ method }) => method)).toEqual(["Shout"]);
});

test("who answers again is asked again", async () => {
  const { hanging, healthy, proxy, client } = await hangingBeside();
  proxy.hold();
  await shoutAll(client, "while it hangs");
  proxy.pass();
  await untilFramed(client, hanging);
  expect(healthy.reports.length).toBeGreaterThan(0);
});

test("who answers after all is told to stop where another was asked", async () => {
  const ends: unknown[] = [];
  const first = gate();
  const asked: number[] = [];
  const services = await Promise.all(
    [0, 1].map((index) =>
      startExchange({
        routes: {
          shout: async (_, call) => {
            if (asked.push(index) > 1) return { text: "from the other" };
            first.open();
            ends.push(await aborted(call.signal));
            return {};
          },
        },
      }),
    ),
  );
  const proxies = await Promise.all(services.map(({ server }) => tcpProxy(server.port)));
  const client = framingClient(proxies.map(({ address }) => address).join(","), { exchange: SOON });
  await untilFramed(client, ...services);
  const pending = client.shout({});
  await first.opened;
  const hanging = proxies[asked[0] ?? 0];
  hanging?.hold();
  expect((await pending).text).toBe("from the other");
  hanging?.pass();
  await expect.poll(() => ends).toMatchObject([{ codeName: "CANCELLED" }]);
});

test("where all hang, a call ends by its own time", async () => {
  const { healthy, proxy } = await hangingBeside();
  const second = await tcpProxy(healthy.server.port);
  const client = framingClient(`${proxy.address},${second.address}`, { exchange: SOON });
  await untilFramed(client, healthy);
  proxy.blackhole();
  second.blackhole();
  expect(await failure(client.shout({}, { timeoutMs: 1_500 }))).toMatchObject({
    codeName: "DEADLINE_EXCEEDED",
  });
});
