/** Where a client finds Lanekeeper, and in which session it speaks. */
export interface Lane {
  readonly baseUrl: string;
  readonly apiKey: string;
  readonly key: string;
}

/**
 * A client as people use it, unchanged: its own retries, its own reading of streams, its own way of
 * calling tools.
 */
export interface ConformingClient {
  readonly name: string;
  /** Says something and reads the answer in one piece. */
  say(lane: Lane, text: string): Promise<string>;
  /** The same piece by piece. Aborting hangs up; a stream that ends with an error throws. */
  stream(lane: Lane, text: string, signal?: AbortSignal): AsyncIterable<string>;
  /** Offers the tool `weather`, calls it where the model wants it, and gives the answer after that. */
  useWeather(lane: Lane, text: string, weather: (city: string) => string): Promise<string>;
}

/** The tool that every client offers. */
export const WEATHER: {
  readonly name: string;
  readonly description: string;
  readonly parameters: Record<string, unknown>;
} = {
  name: "weather",
  description: "The weather in a city.",
  parameters: {
    type: "object",
    properties: { city: { type: "string" } },
    required: ["city"],
    additionalProperties: false,
  },
};

/** What the model wants to know. */
export function cityOf(argumentsJson: string): string {
  return (JSON.parse(argumentsJson) as { city: string }).city;
}
