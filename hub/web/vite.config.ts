import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

export default defineConfig({
  plugins: [react()],
  logLevel: "warn",
  build: {
    // Monaco alone is past the usual warning; people who explore load it once, then it is cached.
    chunkSizeWarningLimit: 3000,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      input: "graphiql.html",
      // Packages carry hints for React's compiler ("use no memo") that mean nothing once bundled.
      checks: { moduleLevelDirective: false },
      onLog(level, log, report) {
        if (log.code !== "MODULE_LEVEL_DIRECTIVE") report(level, log);
      },
    },
  },
});
