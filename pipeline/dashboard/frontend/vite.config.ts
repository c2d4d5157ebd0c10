import { defineConfig } from "vite";

// For `npm run dev`: BABELWATCH_API=http://127.0.0.1:8600 BABELWATCH_API_TOKEN=... npm run dev
const api = process.env.BABELWATCH_API ?? "http://127.0.0.1:8600";
const token = process.env.BABELWATCH_API_TOKEN ?? "";

export default defineConfig({
  build: {
    outDir: "../static",
    emptyOutDir: true,
    target: "es2022",
    // Markup stays free of inline script and of data: URLs, as the page's Content-Security-Policy demands.
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 900,
  },
  server: { proxy: { "/api": { target: api, headers: { Authorization: `Bearer ${token}` } } } },
});
