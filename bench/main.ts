/** `npm run bench [-- NAME...] [--json]`: runs bench/NAME.ts, each of which exports run(json). */
import { readdirSync } from "node:fs";

const HELPERS = ["main.ts", "kit.ts"];
const asked = process.argv.slice(2).filter((word) => !word.startsWith("--"));
const json = process.argv.includes("--json");
const names = readdirSync(new URL(".", import.meta.url))
  .filter((file) => file.endsWith(".ts") && !HELPERS.includes(file))
  .map((file) => file.slice(0, -".ts".length));
const unknown = asked.filter((name) => !names.includes(name));
if (unknown.length > 0) {
  process.stderr.write(`no benchmark ${unknown.join(", ")}; there are: ${names.join(", ")}\n`);
  process.exit(2);
}
for (const name of asked.length > 0 ? asked : names) {
  const { run } = (await import(`./${name}.ts`)) as { run(json: boolean): Promise<void> };
  if (!json) process.stdout.write(`\n== ${name}\n`);
  await run(json);
}
