import { copyFile } from "node:fs/promises";
import { defineConfig } from "tsup";

const common = { tsconfig: "tsconfig.build.json", target: "es2022", platform: "neutral" } as const;

export default defineConfig([
  {
    ...common,
    entry: ["src/index.ts", "src/hooks.ts"], // together: both entries share one context
    format: "esm",
    dts: true,
    clean: ["dist/*.js", "dist/*.ts"],
    banner: { js: '"use client";' },
    onSuccess: () => copyFile("src/styles.css", "dist/styles.css"),
  },
  {
    ...common,
    entry: ["src/hooks.ts"],
    format: "cjs",
    dts: true,
    clean: ["dist/*.cjs", "dist/*.cts"],
    banner: { js: '"use client";' },
  },
  { ...common, entry: ["src/service-worker.ts"], format: "iife", outExtension: () => ({ js: ".js" }), clean: false },
]);
