import { type Account, runCommand } from "../run-command.ts";

/**
 * Whether an account can enter a folder. It is tried rather than worked out from mode bits, which
 * know nothing of access control lists and mount options.
 */
export async function canEnter(folder: string, account: Account): Promise<boolean> {
  const { code } = await runCommand("/bin/sh", ["-c", 'cd -P -- "$1"', "sh", folder], { account });
  return code === 0;
}
