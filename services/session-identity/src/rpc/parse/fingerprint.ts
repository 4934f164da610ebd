import { createHash } from "node:crypto";
import { type DescMessage, type MessageShape, toBinary } from "@bufbuild/protobuf";

/** Of a request that is known by its request id. Equal for equal requests: protobuf-es writes fields in one order. */
export function fingerprint<Schema extends DescMessage>(
  schema: Schema,
  request: MessageShape<Schema>,
): string {
  return createHash("sha256").update(toBinary(schema, request)).digest("base64url");
}
