import type { Entrance } from "../credentials/entrance.ts";
import type { Credential } from "../credentials/credential.ts";
import type { Exchange } from "./exchange.ts";

/** Lets a request in, and has its answer tell how its limits stand. @throws as the entrance does */
export async function admit(
  { credentials }: { readonly credentials: Pick<Entrance, "authenticate"> },
  { headers, res, facts }: Exchange,
): Promise<Credential> {
  const caller = await credentials.authenticate(headers.get("authorization"), (told) => {
    if (res.headersSent) return;
    for (const [name, value] of Object.entries(told)) res.setHeader(name, value);
  });
  facts.caller = caller;
  return caller;
}
