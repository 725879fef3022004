// Rules for the figures' JavaScript. Prettier owns the layout, TypeScript the types in the JSDoc.

import js from "@eslint/js";
import globals from "globals";

export default [
  { ignores: ["build/", ".venv/", "**/vendor/"] },
  js.configs.recommended,
  {
    languageOptions: { ecmaVersion: 2022, sourceType: "module", globals: globals.browser },
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      eqeqeq: "error",
      "max-len": ["error", 110], // of comments and texts too, which Prettier leaves as they are
      "no-unused-vars": ["error", { argsIgnorePattern: "^_" }],
      "no-shadow": "error",
      "no-var": "error",
      "prefer-const": "error",
    },
  },
];
