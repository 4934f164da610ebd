export { CONFORMANCE, type ConformanceCase } from "./cases.ts";
export type { AdapterSubject, SentEvent } from "./subject.ts";
