import type { DescMessage } from "@bufbuild/protobuf";
import type { UnaryHandler } from "../call/routes.ts";
import type { MethodBinding } from "../serve/service-binding.ts";

/** A unary method as a frame calls it. */
export interface FrameMethod extends MethodBinding {
  readonly handler: UnaryHandler<DescMessage, DescMessage>;
  /** The field of the response's oneof that carries its answer. */
  readonly resultField: number;
}
