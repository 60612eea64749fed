import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

// Names without hashes: what is committed changes only where the page does. The server answers with ETags.
export default defineConfig({
  root: here("."),
  base: "./",
  resolve: {
    alias: {
      "playwright-core": here("./node_modules/playwright-core/index.mjs"),
      "axe-core": here("./node_modules/axe-core"),
      fflate: here("./node_modules/fflate/esm/browser.js"),
    },
  },
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    outDir: here("../src/sokuon/server/page"),
    emptyOutDir: true,
    target: "es2022",
    modulePreload: false,
    assetsInlineLimit: 0,
    rollupOptions: {
      output: {
        entryFileNames: "page.js",
        chunkFileNames: "[name].js",
        assetFileNames: "page[extname]",
      },
    },
  },
  server: {
    fs: { allow: [here("..")] },
    proxy: Object.fromEntries(
      ["/studio", "/v1", "/user_dict", "/presets", "/add_preset", "/delete_preset", "/user_dict_word", "/health", "/metrics"].map((path) => [path, "http://127.0.0.1:50021"]),
    ),
  },
  test: {
    projects: [
      {
        extends: true,
        test: { name: "logic", globals: true, dir: here("../tests/page/logic"), include: ["**/*.test.ts"] },
      },
      {
        extends: true,
        test: {
          name: "browser",
          globals: true,
          dir: here("../tests/page/browser"),
          include: ["**/*.test.ts"],
          testTimeout: 60_000,
          hookTimeout: 90_000,
          fileParallelism: false,
        },
      },
      {
        extends: true,
        test: {
          name: "measure",
          globals: true,
          dir: here("../tests/page/measure"),
          include: ["**/*.measure.ts"],
          testTimeout: 300_000,
        },
      },
    ],
  },
});
