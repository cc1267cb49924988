/** The three layers of outcome; see base/outcome. */
export * from "./base/outcome.ts";
