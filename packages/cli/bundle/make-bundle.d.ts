/** See make-bundle.js. */
export interface MakeBundleOptions {
  readonly root: string;
  readonly entry: string;
  readonly cache: string;
  readonly change?: (path: string, text: string) => string;
}

export function makeBundle(options: MakeBundleOptions): Promise<string>;
