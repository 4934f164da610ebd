import type { DeliveryClient } from "@lanekeeper/client";

/** Somebody is told of a generation of a key. */
export type OnChange = (sessionKey: string, generation: bigint, isFiltered: boolean) => void;

export interface Subscribers {
  /** Resolves once every one has its snapshot. */
  readonly begun: Promise<void>;
  /** What ended a stream too soon. */
  readonly failures: readonly unknown[];
  /** Generations that came after a newer one of the same key. */
  readonly outOfOrder: () => number;
  end(): Promise<void>;
}

type Stream = ReturnType<DeliveryClient["watchSessions"]>;

/** One stream for each prefix; an empty one is told of everything. */
export function subscribeAll(
  delivery: DeliveryClient,
  prefixes: readonly string[],
  onChange: OnChange,
): Subscribers {
  const streams = prefixes.map((sessionKeyPrefix) => delivery.watchSessions({ sessionKeyPrefix }));
  const failures: unknown[] = [];
  let outOfOrder = 0;
  let isOver = false;
  const begun = streams.map((stream, index) => {
    const isFiltered = prefixes[index] !== "";
    return new Promise<void>((resolve) => {
      const onOld = (): void => void (outOfOrder += 1);
      read(stream, { resolve, onOld, onChange, isFiltered }).catch((error: unknown) => {
        if (!isOver) failures.push(error);
        resolve();
      });
    });
  });
  return {
    begun: Promise.all(begun).then(() => undefined),
    failures,
    outOfOrder: () => outOfOrder,
    end: async () => {
      isOver = true;
      await Promise.all(streams.map((stream) => stream.return()));
    },
  };
}

interface Reader {
  readonly resolve: () => void;
  readonly onOld: () => void;
  readonly onChange: OnChange;
  readonly isFiltered: boolean;
}

async function read(stream: Stream, { resolve, onOld, onChange, isFiltered }: Reader) {
  const newest = new Map<string, bigint>();
  for await (const { event } of stream) {
    if (event?.event.case === "snapshotEnd") resolve();
    if (event?.event.case !== "snapshot" && event?.event.case !== "changed") continue;
    const { sessionKey = "", generation = 0n } = event.event.value.ref ?? {};
    if (generation <= (newest.get(sessionKey) ?? 0n)) onOld();
    newest.set(sessionKey, generation);
    if (event.event.case === "changed") onChange(sessionKey, generation, isFiltered);
  }
}
