import { Shares } from "../domain/shares.ts";
import { LIMITS } from "../limits.ts";

/** Room for one run, taken before it is known whether there will be one; given back once it is open, or is not. */
export interface Room extends Disposable {
  release(): void;
}

/** Why there is no room. */
export type NoRoom =
  /** As many turns run as may. */
  | "full"
  /** As many wait to learn whether they will have room as may. */
  | "crowded";

const BOUNDS = {
  forAll: LIMITS.activeRunsPerReplica,
  keptForFew: LIMITS.runsKeptForFew,
  few: LIMITS.fewOfTenant,
};

/**
 * Which tenants have the room of this replica: what runs, and what is held for claims and admissions that are
 * on their way to the database.
 */
export class Rooms {
  readonly #running = new Shares(BOUNDS);
  readonly #held = new Shares(BOUNDS);
  readonly #waiting = new Set<{ readonly tenant: string; tell(room: Room | "full"): void }>();
  readonly #onRoom: () => void;

  constructor(onRoom: () => void) {
    this.#onRoom = onRoom;
  }

  hasFor(tenant: string): boolean {
    return this.#running.hasRoomFor(tenant, this.#held);
  }

  /** Nobody may have more, not even who has none. */
  get isFull(): boolean {
    return !this.hasFor("");
  }

  /** What the tenant has, held or in use. */
  of(tenant: string): number {
    return this.#running.of(tenant) + this.#held.of(tenant);
  }

  /** Tenants with runs here that may have no more now. */
  full(): string[] {
    const here = new Set([...this.#running.tenants(), ...this.#held.tenants()]);
    return [...here].filter((tenant) => !this.hasFor(tenant));
  }

  /**
   * Room for one more run while its claim is on its way to the database: of a crowd that asks at once, each
   * would see what the others are about to take. Undefined: there is none.
   */
  hold(tenant: string): Room | undefined {
    if (!this.hasFor(tenant)) return undefined;
    this.#held.change(tenant, 1);
    let isHeld = true;
    const release = (): void => {
      if (!isHeld) return;
      isHeld = false;
      this.#held.change(tenant, -1);
      this.#changed();
    };
    return { release, [Symbol.dispose]: release };
  }

  /**
   * Room for what runs at once or not at all. What is held may come to be free: who finds no other waits for
   * that, and is refused for what runs alone.
   */
  async holdOnceKnown(tenant: string): Promise<Room | NoRoom> {
    const room = this.#holdOrFull(tenant);
    if (room !== undefined) return room;
    if (this.#waiting.size >= LIMITS.activeRunsPerReplica) return "crowded";
    return new Promise((resolve) => {
      const one = {
        tenant,
        tell: (told: Room | "full") => {
          this.#waiting.delete(one);
          resolve(told);
        },
      };
      this.#waiting.add(one);
    });
  }

  /** A run begins, or comes back from where it waited. */
  enter(tenant: string): void {
    this.#running.change(tenant, 1);
  }

  leave(tenant: string): void {
    this.#running.change(tenant, -1);
    this.#changed();
  }

  #holdOrFull(tenant: string): Room | "full" | undefined {
    return this.hold(tenant) ?? (this.#running.hasRoomFor(tenant) ? undefined : "full");
  }

  #changed(): void {
    for (const one of this.#waiting) {
      const told = this.#holdOrFull(one.tenant);
      if (told !== undefined) one.tell(told);
    }
    this.#onRoom();
  }
}
