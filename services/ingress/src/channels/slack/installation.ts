import { isObject, type JsonObject } from "../../http/json-body.ts";

/** Through which installation of its app an event came. */
export interface SlackInstallation {
  /** Undefined: the event names no team. */
  readonly teamId: string | undefined;
  /** Whom the app speaks as there. */
  readonly botUsers: readonly string[];
}

/**
 * In a channel that is shared with another organization an event's own `team_id` may be the other's: the team
 * that has the app stands in `authorizations`. Who installed an app that also listens for themselves stands
 * there too, and is a person.
 * https://docs.slack.dev/apis/events-api#authorizations
 */
export function installationOf(payload: JsonObject): SlackInstallation {
  const { authorizations, team_id: teamId } = payload;
  const listed = Array.isArray(authorizations) ? authorizations.filter((one) => isObject(one)) : [];
  const bots = listed.filter(({ is_bot: isBot }) => isBot !== false);
  const [team] = [...texts(listed, "team_id"), ...texts([payload], "team_id")];
  return {
    teamId: typeof teamId === "string" ? team : undefined,
    botUsers: texts(bots, "user_id"),
  };
}

function texts(objects: readonly JsonObject[], name: string): string[] {
  return objects.flatMap(({ [name]: value }) => (typeof value === "string" ? [value] : []));
}
