/** A reply as it is handed over. */
export interface Reply {
  readonly id: string;
  readonly route: string;
  readonly key: string;
  readonly generation: number;
  readonly body: string;
}

/** What the identity process is asked: to let a reply be sent, or to write down that it was. */
export interface Step extends Pick<Reply, "id" | "key" | "generation"> {
  readonly state: "sending" | "sent";
}
