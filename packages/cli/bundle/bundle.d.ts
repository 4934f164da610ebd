/** See bundle.js. */
export function bundle(options: {
  readonly root: string;
  readonly entry: string;
  readonly cache: string;
}): Promise<string>;
