import { expect, test } from "vitest";
import { parseConfig } from "./load.ts";
import { unsetLine, unsetVariables } from "./unset-variables.ts";

const CONFIG = `
tenants:
  default:
    default_agent: main
    agents:
      main:
        model: { base_url: "https://m.example/v1", model: m, api_key_env: MODEL_KEY }
        mcp_servers:
          search: { url: "https://s.example/mcp", header_env: { Authorization: SEARCH_KEY } }
          files: { command: mcp-files, env: [FILES_TOKEN] }
      plain: { model: scripted }
    channels:
      slack: { T1: { token_env: SLACK_BOT_TOKEN, signing_secret_env: SLACK_SIGNING_SECRET } }
      telegram: { b: { token_env: TELEGRAM_BOT_TOKEN, webhook_secret_env: TELEGRAM_WEBHOOK_SECRET } }
      webhook: { helpdesk: { secret_env: WEBHOOK_SECRET_HELPDESK } }
`;

test("each variable that a configuration names and the environment has not is told, with whose it is", () => {
  const config = parseConfig(CONFIG, "c.yaml");
  const found = unsetVariables(config, { TELEGRAM_BOT_TOKEN: "t", WEBHOOK_SECRET_HELPDESK: "" });
  expect(found.map(({ name, service }) => `${service}: ${name}`)).toEqual([
    "delivery: SLACK_BOT_TOKEN",
    "ingress: SLACK_SIGNING_SECRET",
    "ingress: TELEGRAM_WEBHOOK_SECRET",
    "ingress: WEBHOOK_SECRET_HELPDESK",
    "runner: MODEL_KEY",
    "runner: SEARCH_KEY",
    "runner: FILES_TOKEN",
  ]);
  expect(found.map(unsetLine)[3]).toBe(
    "WEBHOOK_SECRET_HELPDESK, for webhook helpdesk of tenant default, is not set here: ingress needs it in its environment",
  );
});
