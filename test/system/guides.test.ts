import { adaptersGuide } from "./guides/adapters.ts";
import { alertRules } from "./guides/alerts.ts";
import { backupGuide } from "./guides/backup.ts";
import { Guide } from "./guides/guide.ts";
import { keysGuide } from "./guides/keys.ts";
import { openAiGuide } from "./guides/openai-compatibility.ts";
import { operationsGuide } from "./guides/operations.ts";
import { rpcsGuide } from "./guides/rpcs.ts";

// One constellation for all pages, in this order: later ones look at what earlier ones left.
const guide = new Guide();
adaptersGuide(guide);
rpcsGuide(guide);
keysGuide(guide);
openAiGuide(guide);
alertRules(guide);
operationsGuide(guide);
backupGuide(guide);
