/** What one look found. */
export interface Finding {
  /** What was looked at. */
  readonly subject: string;
  /** `note`: works, and yet worth knowing; `problem`: keeps it from working. */
  readonly verdict: "ok" | "note" | "problem";
  /** A clause, or, for problems, a sentence that says what to do. */
  readonly text: string;
  /** Of a service: the one replica that it is about, as "host:port" of gRPC. */
  readonly address?: string;
}

export function ok(subject: string, text: string): Finding {
  return { subject, verdict: "ok", text };
}

export function note(subject: string, text: string): Finding {
  return { subject, verdict: "note", text };
}

export function problem(subject: string, text: string): Finding {
  return { subject, verdict: "problem", text };
}
