import type { DescService } from "@bufbuild/protobuf";
import { Code, type Routes, RpcError } from "@lanekeeper/rpc";

/** Routes of which only some are played; the others are UNIMPLEMENTED. */
export function partialRoutes<D extends DescService>(
  desc: D,
  played: Partial<Routes<D>>,
): Routes<D> {
  const missing = desc.methods.map((method) => [
    method.localName,
    () => {
      throw new RpcError(Code.UNIMPLEMENTED, `${method.name} is not played`);
    },
  ]);
  return { ...(Object.fromEntries(missing) as Routes<D>), ...played };
}
