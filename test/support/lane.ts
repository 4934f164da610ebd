import { eventually, type TestConstellation } from "@lanekeeper/testing";

/** Resolves when so many turns wait in the lane. */
export async function untilQueued(
  { call }: Pick<TestConstellation, "call">,
  sessionKey: string,
  depth: number,
): Promise<void> {
  const isSo = async () => {
    const { lane } = await call("runner.v1.RunnerService/GetLane", { sessionKey });
    return (lane as { depth?: number } | undefined)?.depth === depth;
  };
  await eventually(isSo, { what: `${depth} turns wait under ${sessionKey}` });
}
