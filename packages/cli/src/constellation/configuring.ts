import type { Settings } from "@lanekeeper/service";
import { defaultConfig } from "../config/default.ts";
import type { Config } from "../config/schema.ts";
import type { PeerTargets } from "../operator/peer.ts";
import {
  applyAtIngress,
  applyBehindIngress,
  applyDefault,
  applyFirstDefault,
  type BehindIngress,
} from "./apply-config.ts";

/**
 * How a start applies its configuration: the part behind ingress while nobody can ask ingress anything, so
 * that the first request already finds its agent; the rest once ingress is there to be told.
 */
export interface Configuring {
  applyBehindIngress(): Promise<void>;
  /** Resolves to what is in force; undefined where an operator has applied something else before. */
  applyAtIngress(): Promise<Config | undefined>;
}

export interface ConfiguringOptions {
  readonly settings: Settings;
  readonly targets: PeerTargets;
  readonly tell: (line: string) => void;
}

/** `config` undefined: LANEKEEPER_CONFIG is not set. */
export function configuring(
  config: Config | undefined,
  { settings, targets, tell }: ConfiguringOptions,
): Configuring {
  if (config === undefined) return configuringDefault(defaultConfig(settings.model), targets, tell);
  let behind: BehindIngress = new Map();
  return {
    applyBehindIngress: async () => {
      behind = await applyBehindIngress(config, targets);
    },
    applyAtIngress: async () => {
      await applyAtIngress(config, targets, behind);
      tell(`${settings.config} applied`);
      return config;
    },
  };
}

function configuringDefault(
  usual: Config,
  targets: PeerTargets,
  tell: (line: string) => void,
): Configuring {
  let behind: BehindIngress | undefined;
  return {
    applyBehindIngress: async () => {
      behind = await applyFirstDefault(usual, targets);
    },
    applyAtIngress: async () => {
      const isApplied = await applyDefault(usual, targets, behind);
      tell(
        isApplied
          ? "default configuration applied"
          : "LANEKEEPER_CONFIG is not set: what was applied before stays",
      );
      return isApplied ? usual : undefined;
    },
  };
}
