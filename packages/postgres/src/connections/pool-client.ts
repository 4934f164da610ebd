import pg from "pg";

/**
 * pg's client, for pools. What pg throws where it makes one, for a certificate of the URL that cannot be read,
 * its pool does not catch: it makes the next client in an event of the last one that failed, and the process would end.
 * Here it is a connection that fails. The files are read at each connection, so that renewed ones are used.
 */
export class PoolClient extends pg.Client {
  declare readonly unusable: Error | undefined;
  /** What servers say of themselves at each connection: https://www.postgresql.org/docs/current/protocol-flow.html */
  declare isStandby: boolean;

  constructor(config: pg.ClientConfig) {
    let unusable: Error | undefined;
    try {
      super(config);
    } catch (error) {
      super({});
      unusable = error as Error;
    }
    Object.assign(this, { unusable, isStandby: false });
    connectionOf(this).on("parameterStatus", (said) => {
      if (said.parameterName === "in_hot_standby") this.isStandby = said.parameterValue === "on";
    });
  }

  override connect(): Promise<pg.Client>;
  override connect(done: (error: Error | null) => void): void;
  override connect(done?: (error: Error | null) => void): Promise<pg.Client> | void {
    const { unusable } = this;
    if (done === undefined) return unusable ? Promise.reject(unusable) : super.connect();
    if (unusable === undefined) super.connect(done as (error: Error) => void);
    else process.nextTick(done, unusable);
  }
}

interface ParameterStatus {
  readonly parameterName: string;
  readonly parameterValue: string;
}

/** pg's types leave it out. */
function connectionOf(client: pg.Client): {
  on(event: "parameterStatus", listener: (said: ParameterStatus) => void): void;
} {
  return Reflect.get(client, "connection");
}
