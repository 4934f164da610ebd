import { describe, expect, test } from "vitest";
import { EnvError } from "./env.ts";
import { readSettings } from "./settings.ts";

const model = (env: Record<string, string>) => readSettings(env).model;

describe("the default agent's model", () => {
  test("our variables name an endpoint", () => {
    const found = model({
      LANEKEEPER_MODEL_BASE_URL: "http://localhost:11434/v1",
      LANEKEEPER_MODEL: "llama",
      OPENAI_API_KEY: "somebody's",
    });
    expect(found).toEqual({
      kind: "endpoint",
      baseUrl: "http://localhost:11434/v1",
      apiKey: undefined,
      model: "llama",
      from: "LANEKEEPER_MODEL_BASE_URL",
    });
  });

  test("OPENAI_ variables are used when ours are unset", () => {
    const env = { OPENAI_BASE_URL: "https://api.test/v1", OPENAI_API_KEY: "k", OPENAI_MODEL: "m" };
    expect(model(env)).toMatchObject({ kind: "endpoint", model: "m", from: "OPENAI_BASE_URL" });
    expect(model({ ...env, LANEKEEPER_MODEL: "other" })).toMatchObject({ model: "other" });
  });

  test.each<[string, Record<string, string>]>([
    ["nothing", {}],
    ["a key alone", { OPENAI_API_KEY: "k" }],
    ["our key alone", { LANEKEEPER_MODEL_API_KEY: "k" }],
    [
      "our key beside another's address",
      { LANEKEEPER_MODEL_API_KEY: "k", OPENAI_BASE_URL: "http://a", OPENAI_MODEL: "m" },
    ],
    ["an address without a model", { OPENAI_BASE_URL: "http://a/v1", OPENAI_API_KEY: "k" }],
    ["no URL", { OPENAI_BASE_URL: "api.test", OPENAI_MODEL: "m" }],
    ["our own address", { OPENAI_BASE_URL: "http://localhost:8080/v1", OPENAI_MODEL: "m" }],
    [
      "our own port",
      { LANEKEEPER_PORT: "80", OPENAI_BASE_URL: "http://127.0.0.2/v1", OPENAI_MODEL: "m" },
    ],
    [
      "our own IPv6",
      { LANEKEEPER_HOST: "::1", OPENAI_BASE_URL: "http://[::1]:8080/v1", OPENAI_MODEL: "m" },
    ],
    [
      "our own, in our variable",
      { LANEKEEPER_MODEL_BASE_URL: "http://127.0.0.1:8080/v1", LANEKEEPER_MODEL: "m" },
    ],
  ])("%s keeps the scripted one", (_case, env) => {
    expect(model(env).kind).toBe("scripted");
  });

  test("our address without a model's name is refused, naming the variable", () => {
    const read = () => model({ LANEKEEPER_MODEL_BASE_URL: "http://a/v1" });
    expect(read).toThrow(EnvError);
    expect(read).toThrow("LANEKEEPER_MODEL is not set");
  });
});
