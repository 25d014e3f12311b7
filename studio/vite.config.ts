import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";

const HERE = import.meta.dirname;
const OUT = resolve(HERE, "../src/patchworld/serve/studio");
const SOURCES = ["index.html", "package-lock.json", "package.json", "src", "tsconfig.json", "vite.config.ts"];

const sha256 = (content: Buffer) => createHash("sha256").update(content).digest("hex");

function files(path: string): string[] {
  return statSync(path).isDirectory() ? readdirSync(path).flatMap((name) => files(join(path, name))) : [path];
}

/** Write beside the page what it was built from and what came out, so that a test sees whether they still belong together. */
function sayWhatWasBuilt(): Plugin {
  const hashes = (root: string, paths: string[]) =>
    Object.fromEntries(
      paths.map((path) => [relative(root, path).replaceAll("\\", "/"), sha256(readFileSync(path))]).sort(),
    );
  return {
    name: "say-what-was-built",
    closeBundle() {
      const sources = hashes(
        HERE,
        SOURCES.flatMap((name) => files(resolve(HERE, name))),
      );
      const built = hashes(OUT, files(OUT));
      writeFileSync(join(OUT, "built.json"), JSON.stringify({ sources, built }, null, 1) + "\n");
    },
  };
}

export default defineConfig({
  base: "./",
  plugins: [react(), sayWhatWasBuilt()],
  build: {
    outDir: OUT,
    emptyOutDir: true,
    modulePreload: false,
    rollupOptions: {
      output: { entryFileNames: "studio.js", assetFileNames: "studio[extname]", codeSplitting: false },
    },
  },
  server: { proxy: { "/v1": { target: "http://127.0.0.1:8000", ws: true, changeOrigin: true } } },
});
