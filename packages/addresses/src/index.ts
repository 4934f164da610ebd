export { type AllowedNetworks, addressProblem, type Network, parseNetwork } from "./ip-rules.ts";
export { literalAddress } from "./literal-address.ts";
