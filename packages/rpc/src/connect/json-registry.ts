import { createRegistry, type DescFile, type DescService, type Registry } from "@bufbuild/protobuf";
import { file_google_rpc_error_details } from "@lanekeeper/protocol/google/rpc/error_details";

/**
 * The types that an `Any` may hold when a message is written as JSON: an answer can tell of an error
 * (`google.rpc.Status`), whose details are the usual ones and messages of the services' own files.
 */
export function jsonRegistry(services: readonly DescService[]): Registry {
  const files = new Set<DescFile>([file_google_rpc_error_details]);
  for (const { file } of services) addWithImports(file, files);
  return createRegistry(...files);
}

function addWithImports(file: DescFile, files: Set<DescFile>): void {
  if (files.has(file)) return;
  files.add(file);
  for (const imported of file.dependencies) addWithImports(imported, files);
}
