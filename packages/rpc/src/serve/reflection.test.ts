import { credentials, makeClientConstructor, type ServiceDefinition } from "@grpc/grpc-js";
import { fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { ReflectionService } from "@grpc/reflection";
import { expect, onTestFinished, test } from "vitest";
import { startEcho } from "../testing/echo.ts";
import { EchoService } from "../testing/gen/lanekeeper/rpctest/v1/echo_service_pb.ts";

interface Answer {
  readonly listServicesResponse?: { readonly service: readonly { readonly name: string }[] };
  readonly fileDescriptorResponse?: { readonly fileDescriptorProto: readonly Uint8Array[] };
}

interface Stream extends NodeJS.EventEmitter {
  write(request: object): void;
  end(): void;
}

/** The published definitions of the reflection service, as a foreign client has them. */
function definitions(): ServiceDefinition[] {
  const found: ServiceDefinition[] = [];
  const catching = {
    addService: (definition: unknown) => found.push(definition as ServiceDefinition),
  };
  new ReflectionService({}).addToServer(catching as never);
  return found;
}

function ask(address: string, definition: ServiceDefinition, request: object): Promise<Answer> {
  const Client = makeClientConstructor(definition, "reflection");
  const client = new Client(address, credentials.createInsecure(), {
    "grpc.enable_http_proxy": 0,
  }) as unknown as { ServerReflectionInfo(): Stream; close(): void };
  onTestFinished(() => client.close());
  return new Promise((resolve, reject) => {
    const stream = client.ServerReflectionInfo();
    stream.on("data", resolve).on("error", reject);
    stream.write(request);
    stream.end();
  });
}

test.each([0, 1])(
  "reflection (of v1 and v1alpha, number %i) lists and describes",
  async (index) => {
    const { server } = await startEcho();
    const definition = definitions()[index];
    if (definition === undefined) throw new Error("no such version");
    const listed = await ask(server.address, definition, { listServices: "*" });
    expect(listed.listServicesResponse?.service).toEqual([{ name: EchoService.typeName }]);

    const request = { fileContainingSymbol: EchoService.typeName };
    const described = await ask(server.address, definition, request);
    const files = (described.fileDescriptorResponse?.fileDescriptorProto ?? []).map((bytes) =>
      fromBinary(FileDescriptorProtoSchema, Uint8Array.from(bytes)),
    );
    expect(files.map((file) => file.name).sort()).toEqual([
      "google/protobuf/any.proto",
      "google/protobuf/duration.proto",
      "google/rpc/status.proto",
      "lanekeeper/rpctest/v1/echo_service.proto",
    ]);
    const echo = files.find((file) => file.package === "lanekeeper.rpctest.v1");
    expect(echo?.service[0]?.method.map((method) => method.name)).toContain("Exchange");
  },
);
