/** How the stand-in model signs an answer: with a number of its own and the hash of what it was shown. */
const REPLY = /^reply ([0-9a-z-]+) to ([0-9a-f]+)/;

/** The number of the model call that wrote a reply; undefined for what the model did not write. */
export function nonceOf(reply: string): string | undefined {
  return REPLY.exec(reply)?.[1];
}

/** The numbers of all calls that wrote a reply: of one that went on after it was spoken to there are several. */
export function noncesOf(reply: string): readonly string[] {
  return [...reply.matchAll(/reply ([0-9a-z-]+) to [0-9a-f]+/g)].map(([, nonce = ""]) => nonce);
}

/** The hash of the context that the reply was made of. */
export function chainOf(reply: string): string | undefined {
  return REPLY.exec(reply)?.[2];
}

export function replyOf(nonce: string, chain: string): string {
  return `reply ${nonce} to ${chain}`;
}
