import type { DescMessage, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { create } from "@bufbuild/protobuf";
import { anyPack, anyUnpack, type Any } from "@bufbuild/protobuf/wkt";
import { type Code, type CodeName, codeName } from "./code.ts";

/** What any failed call is told by. */
export interface RpcErrorOptions {
  readonly details?: readonly Any[];
  readonly cause?: unknown;
  /** The error came from another process, which logged it where it had to be logged. */
  readonly remote?: boolean;
}

/**
 * A call failed. Thrown as it is where no reason of Lanekeeper stands behind the failure: the peer
 * cannot be reached, the deadline passed, the caller cancelled, the method does not exist.
 * Everything that a service decides is the subclass LanekeeperError.
 */
export class RpcError extends Error {
  override readonly name: string = "RpcError";
  readonly code: Code;
  readonly details: readonly Any[];
  readonly remote: boolean;

  constructor(code: Code, message: string, options: RpcErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.details = options.details ?? [];
    this.remote = options.remote ?? false;
  }

  /** The code's name, for logs and metrics. */
  get codeName(): CodeName {
    return codeName(this.code);
  }

  /** The first detail of this message type, decoded; undefined if there is none. */
  detail<D extends DescMessage>(schema: D): MessageShape<D> | undefined {
    for (const any of this.details) {
      const message = unpack(any, schema);
      if (message !== undefined) return message;
    }
    return undefined;
  }
}

function unpack<D extends DescMessage>(any: Any, schema: D): MessageShape<D> | undefined {
  try {
    return anyUnpack(any, schema);
  } catch {
    return undefined; // bytes from a peer that do not decode are no detail of this type
  }
}

/** Makes a typed detail for an error, such as `errorDetail(StaleFenceSchema, { current })`. */
export function errorDetail<D extends DescMessage>(schema: D, init: MessageInitShape<D>): Any {
  return anyPack(schema, create(schema, init));
}
