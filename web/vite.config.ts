import { rmSync } from "node:fs";
import { defineConfig } from "vitest/config";

// `npm run dev` talks to a server on this machine; name another with TRAINYARD_URL.
const server = process.env.TRAINYARD_URL ?? "http://127.0.0.1:8080";

export default defineConfig({
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    // dist/ keeps its own .gitignore, so only what a build left there is cleared.
    emptyOutDir: false,
    // The policy of the page forbids data: fonts and scripts; small pictures stay files as well.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  plugins: [
    {
      name: "clear-assets",
      apply: "build",
      buildStart: () => rmSync("dist/assets", { recursive: true, force: true }),
    },
  ],
  server: { proxy: { "/v1": { target: server, changeOrigin: true } } },
  test: { environment: "happy-dom", include: ["src/**/*.test.{ts,tsx}"] },
});
