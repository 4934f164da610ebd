/** Updates in the shapes that Telegram posts them: https://core.telegram.org/bots/api#update */

export const ADA = {
  id: 77,
  is_bot: false,
  first_name: "Ada",
  last_name: "L",
  username: "ada_l",
  language_code: "en",
} as const;

export const PRIVATE = {
  id: 77,
  first_name: "Ada",
  last_name: "L",
  username: "ada_l",
  type: "private",
} as const;
export const GROUP = {
  id: -4242,
  title: "Kitchen",
  type: "group",
  all_members_are_administrators: true,
} as const;
export const SUPERGROUP = { id: -1001234567890, title: "Kitchen", type: "supergroup" } as const;
export const FORUM = { ...SUPERGROUP, is_forum: true } as const;

/** 2026-01-31T12:00:00Z, in Telegram's seconds; far enough back that no turn of a test is older. */
export const DATE = 1_769_860_800;

/** A message, with what is special about it. */
export function message(chat: object, more: object = {}): object {
  return { message_id: 9, from: ADA, chat, date: DATE, ...more };
}

/** An update with a message, or with what is given in its place. */
export function update(
  update_id: number,
  content: object,
  kind = "message",
): { update_id: number } {
  return { update_id, [kind]: content };
}

export const DOCUMENT = {
  file_name: "report.pdf",
  mime_type: "application/pdf",
  file_id: "docs/report.pdf",
  file_unique_id: "AgADZQ",
  file_size: 5,
} as const;

export const PHOTO = [
  { file_id: "photos/small.jpg", file_unique_id: "AQADs", file_size: 1_200, width: 90, height: 67 },
  { file_id: "photos/large.jpg", file_unique_id: "AQADl", file_size: 4, width: 1280, height: 960 },
] as const;
