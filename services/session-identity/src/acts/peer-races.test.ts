import { PeerKind } from "@lanekeeper/protocol/lanekeeper/identity/v1/key";
import fc from "fast-check";
import { expect, test } from "vitest";
import { testDatabase } from "../testing/database.ts";
import type { Calls } from "../testing/drive/door.ts";
import {
  expectOneHop,
  nothing,
  outcome,
  race,
  rowsOf,
  RUNS,
  sessionOf,
  startRace,
  type Work,
} from "../testing/drive/race.ts";

/** What adapters register of peers while their messages come: in every order of statements. */
const database = testDatabase();

const slack = (peerId: string) => ({
  ...{ channel: "slack", accountId: "T1", kind: PeerKind.DIRECT, peerId },
});
const mail = { channel: "email", kind: PeerKind.DIRECT, peerId: "ann@example.org" };
const named = (value: object) => ({ name: { case: "peer", value } }) as const;

const link =
  (peer: object): Work =>
  async ({ ingress }, tenant) => {
    const { sessionKey } = await ingress.linkPeer({ peer, person: "ann" }, { tenant });
    return sessionKey;
  };

test("two links of one person that race, where both sides have sessions: one is linked, the other wants a survivor named", async () => {
  const started = await startRace(database);
  const prelude = async (calls: Calls, tenant: string) => {
    for (const peer of [slack("U1"), mail]) await calls.resolveSession(named(peer), { tenant });
  };
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), async (scheduler) => {
      const works = [link(slack("U1")), link(mail)];
      const { tenant, ingress, outcomes } = await race(started, scheduler, prelude, works);
      expect(outcomes.filter((one) => one === "ALIAS_CONFLICT")).toHaveLength(1);
      const [bySlack, byMail] = await Promise.all(
        [slack("U1"), mail].map((peer) => ingress.resolveSession(named(peer), { tenant })),
      );
      expect(bySlack?.session?.ref).not.toEqual(byMail?.session?.ref);
      await expectOneHop(started, tenant);
    }),
    RUNS,
  );
});

test("a first contact that races a link: every caller was told the session that the peer leads to ever after", async () => {
  const started = await startRace(database);
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), async (scheduler) => {
      const peer = slack("U1");
      const works = [sessionOf(named(peer)), link(peer), sessionOf(named(peer))];
      const { tenant, ingress, outcomes } = await race(started, scheduler, nothing, works);
      const now = (await ingress.resolveSession(named(peer), { tenant })).session?.ref;
      expect([outcomes[0], outcomes[2]]).toEqual([now, now]);
      const rows = await rowsOf(started, tenant);
      expect(rows.flatMap((row) => row.session_id ?? [])).toEqual([now?.sessionId]);
      await expectOneHop(started, tenant);
    }),
    RUNS,
  );
});

/** A session that somebody was told, and what its names lead to by now. */
async function expectLeadsTo(
  ingress: Calls,
  tenant: string,
  told: unknown,
  standing: readonly (string | undefined)[],
): Promise<void> {
  const { sessionKey } = told as { readonly sessionKey: string };
  const session = { case: "sessionKey", value: sessionKey } as const;
  const { session: found } = await ingress.getSession({ session }, { tenant });
  expect(standing).toContain(
    found?.movedToSessionKey === "" ? sessionKey : found?.movedToSessionKey,
  );
}

const equate =
  (peer: string, sameAs: string): Work =>
  async ({ ingress }, tenant) => {
    await ingress.registerEquivalence({ peer: slack(peer), sameAs: slack(sameAs) }, { tenant });
    return "granted";
  };

test("first contacts that race an equivalence: what they were told is the one session, or was merged into it", async () => {
  const started = await startRace(database);
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), async (scheduler) => {
      const works = [
        sessionOf(named(slack("D1"))),
        equate("U1", "D1"),
        sessionOf(named(slack("U1"))),
      ];
      const { tenant, ingress, outcomes } = await race(started, scheduler, nothing, works);
      expect(outcomes[1]).toBe("granted");
      const [byD, byU] = await Promise.all(
        ["D1", "U1"].map((id) => ingress.resolveSession(named(slack(id)), { tenant })),
      );
      expect(byD?.session?.ref).toEqual(byU?.session?.ref);
      const standing = [byD?.session?.ref?.sessionKey];
      for (const told of [outcomes[0], outcomes[2]]) {
        await expectLeadsTo(ingress, tenant, told, standing);
      }
      await expectOneHop(started, tenant);
    }),
    RUNS,
  );
});

const IDS = ["D1", "U1", "D2"] as const;
const id = fc.constantFrom(...IDS);
/** What adapters do to spellings of a few peers, and their messages. */
const adapterWork: fc.Arbitrary<Work> = fc.oneof(
  { weight: 2, arbitrary: id.map((one) => sessionOf(named(slack(one)))) },
  fc.tuple(id, id).map(([one, other]) => equate(one, one === other ? "D9" : other)),
  id.map((one) => link(slack(one))),
);

test("whatever adapters register while messages come, every session that was told is where its peer leads", async () => {
  const started = await startRace(database);
  await fc.assert(
    fc.asyncProperty(
      fc.array(adapterWork, { maxLength: 3 }),
      fc.array(adapterWork, { minLength: 2, maxLength: 3 }),
      fc.scheduler(),
      async (before, works, scheduler) => {
        const { doors } = started;
        const prelude = async (_calls: Calls, tenant: string) => {
          for (const work of before) await outcome(work(doors[0], tenant));
        };
        const { tenant, ingress, outcomes } = await race(started, scheduler, prelude, works);
        const leads = IDS.map((one) => ingress.resolveSession(named(slack(one)), { tenant }));
        const standing = (await Promise.all(leads)).map(({ session }) => session?.ref?.sessionKey);
        for (const told of outcomes.filter((one) => typeof one === "object")) {
          await expectLeadsTo(ingress, tenant, told, standing);
        }
        await expectOneHop(started, tenant);
      },
    ),
    RUNS,
  );
});
