import type { ServerResponse } from "node:http";

const NAME = "x-lane-disposition";

/**
 * Every answer says what became of its request in a lane. Doors that lead to a turn say so themselves;
 * the others' requests enter none: `stateless`, or `rejected` where they are refused. Decided when the
 * status is written, which Node does in one place however an answer is begun.
 */
export function tellDisposition(res: ServerResponse): void {
  const writeHead = res.writeHead.bind(res) as (...args: unknown[]) => ServerResponse;
  const told = (...args: unknown[]): ServerResponse => {
    if (!res.hasHeader(NAME)) {
      res.setHeader(NAME, Number(args[0]) < 400 ? "stateless" : "rejected");
    }
    return writeHead(...args);
  };
  res.writeHead = told as ServerResponse["writeHead"];
}

/** Says it, unless the status has been written already. */
export function setDisposition(res: ServerResponse, disposition: string): void {
  if (!res.headersSent) res.setHeader(NAME, disposition);
}
