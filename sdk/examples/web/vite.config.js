import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// The page is served by `heliograph up --demo` at /demo, out of the Python package. While you change it, run
// `npm run dev` beside a running `heliograph up --demo`: the calls are passed on to it.
const system = "http://127.0.0.1:8080";
export default defineConfig({
  base: "/demo/",
  plugins: [react()],
  build: {
    outDir: "../../../heliograph/demo",
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0, // the page's Content-Security-Policy allows files of its own, nothing inline
    modulePreload: { polyfill: false },
  },
  server: {
    proxy: {
      "/demo/api": { target: system, changeOrigin: true, headers: { origin: system } },
      "/v1": { target: system, ws: true },
    },
  },
});
