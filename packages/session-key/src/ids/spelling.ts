import { lowerAscii } from "../text.ts";

/** What a peer is to its channel: one person, a closed group, or a named room. */
export type PeerKind = "direct" | "group" | "channel";

/** A peer id on its way through a profile: NFC, free of what rule 1 refuses. */
export interface SpelledId {
  readonly id: string;
  readonly kind: PeerKind;
  readonly thread?: string | undefined;
}

/** The id is none of this channel's; the text says what was expected. */
interface NoSuchId {
  readonly expected: string;
}

/** A profile's rule: the one spelling of an id, and its kind and thread where the id tells them. */
export type SpellId = (given: SpelledId) => SpelledId | NoSuchId;

export const asIs: SpellId = (given) => given;

export const lowerCased: SpellId = (given) => ({ ...given, id: lowerAscii(given.id) });

/** A rule that looks at the text of the id alone. */
export function byText(expected: string, spell: (id: string) => string | undefined): SpellId {
  return (given) => {
    const id = spell(given.id);
    return id === undefined ? { expected } : { ...given, id };
  };
}

/** Groups of these channels have opaque ids; only people's ids have a spelling. */
export function groupsAsIs(spellPerson: SpellId): SpellId {
  return (given) => (given.kind === "direct" ? spellPerson(given) : given);
}
