import type { EdgeClients } from "@lanekeeper/client";
import type { Command, EventName } from "../event.ts";

/** An event as the suite has it; the subject writes it in its platform's words. */
export interface SentEvent {
  /** Which event it is: the same number is the same event, sent again. Positive, grows. */
  readonly event: number;
  /** Where it is said: a group or room of which nobody has heard before. Positive. */
  readonly conversation: number;
  /** What a person says; empty where it is a command. */
  readonly text: string;
  readonly command?: Command;
}

/** An adapter under test, with the platform played by whoever runs the suite. */
export interface AdapterSubject {
  /** With a key of the scopes adapter and operator, of the tenant whose adapter it is. */
  readonly lanekeeper: Pick<EdgeClients, "identity" | "runner">;
  /** Empty: the tenant's default agent. */
  readonly agentId: string;
  /** Delivers an event as the platform does. True: it was acknowledged, and would not come again. */
  send(event: SentEvent): Promise<boolean>;
  /** The name by which the adapter calls a conversation. */
  nameOf(conversation: number): EventName;
  /** Ends the adapter's process without a warning and starts it again; resolves once it answers. */
  restart(): Promise<void>;
}
