import type { DescFile, DescService } from "@bufbuild/protobuf";
import { toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import type { ServiceDefinition, UntypedServiceImplementation } from "@grpc/grpc-js";
import { ReflectionService } from "@grpc/reflection";

type ReflectedPackage = ConstructorParameters<typeof ReflectionService>[0];
type Server = Parameters<ReflectionService["addToServer"]>[0];

/** A service of reflection, as a server takes it. */
export interface ReflectionBinding {
  readonly definition: ServiceDefinition;
  readonly implementation: UntypedServiceImplementation;
}

/** Of both versions; each has this one method. */
const NAMES = ["grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"];
const METHOD = "ServerReflectionInfo";

/**
 * Reflection over some services, in v1 and v1alpha. It is made when somebody first asks, which hardly anybody does:
 * it reads protos from files and describes every type anew, a tenth of the CPU of a server's start.
 */
export function reflectionOf(services: readonly DescService[]): readonly ReflectionBinding[] {
  let made: readonly ReflectionBinding[] | undefined;
  return NAMES.map((name, version) => {
    const binding = (): ReflectionBinding => {
      made ??= make(services);
      const found = made[version];
      if (found === undefined) throw new Error(`@grpc/reflection has no ${name}`);
      return found;
    };
    return lazily(`/${name}/${METHOD}`, binding);
  });
}

function lazily(path: string, binding: () => ReflectionBinding): ReflectionBinding {
  const method = () => {
    const found = binding().definition[METHOD];
    if (found === undefined) throw new Error(`@grpc/reflection has no ${METHOD}`);
    return found;
  };
  const definition: ServiceDefinition = {
    [METHOD]: {
      path,
      requestStream: true,
      responseStream: true,
      requestSerialize: (value: unknown) => method().requestSerialize(value),
      requestDeserialize: (bytes) => method().requestDeserialize(bytes),
      responseSerialize: (value: unknown) => method().responseSerialize(value),
      responseDeserialize: (bytes) => method().responseDeserialize(bytes),
    },
  };
  const handle = (...call: unknown[]): unknown =>
    (binding().implementation[METHOD] as unknown as (...call: unknown[]) => unknown)(...call);
  return { definition, implementation: { [METHOD]: handle } as UntypedServiceImplementation };
}

function make(services: readonly DescService[]): readonly ReflectionBinding[] {
  const made: ReflectionBinding[] = [];
  const addService = (definition: unknown, implementation: unknown) =>
    void made.push({ definition, implementation } as ReflectionBinding);
  new ReflectionService(reflectedPackage(services)).addToServer({ addService } as Server);
  return made;
}

/** Reflection wants encoded descriptors only; they hang on a package of no meaning. */
function reflectedPackage(services: readonly DescService[]): ReflectedPackage {
  const files = new Map<string, DescFile>();
  for (const desc of services) collect(desc.file, files);
  const fileDescriptorProtos = [...files.values()].map((file) =>
    Buffer.from(toBinary(FileDescriptorProtoSchema, file.proto)),
  );
  const type = { format: "Protocol Buffer 3 DescriptorProto", type: {}, fileDescriptorProtos };
  return { lanekeeper: type } as unknown as ReflectedPackage;
}

function collect(file: DescFile, into: Map<string, DescFile>): void {
  if (into.has(file.proto.name)) return;
  into.set(file.proto.name, file);
  for (const dependency of file.dependencies) collect(dependency, into);
}
