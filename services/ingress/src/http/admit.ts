import type { Credential } from "../credentials/credential.ts";
import type { Entrance } from "../credentials/entrance.ts";
import type { Exchange } from "./exchange.ts";

/** Lets a request in, and has its answer tell how its limits stand. @throws as the entrance does */
export async function admit(
  { credentials }: { readonly credentials: Pick<Entrance, "authenticate" | "hold"> },
  { headers, res, facts }: Exchange,
): Promise<Credential> {
  const tell = (told: Readonly<Record<string, string>>): void => {
    if (res.headersSent) return;
    for (const [name, value] of Object.entries(told)) res.setHeader(name, value);
  };
  const credential = await credentials.authenticate(
    headers.get("authorization"),
    tell,
    (caller) => {
      facts.caller = caller;
    },
  );
  credentials.hold(credential, res);
  return credential;
}
