/** The profile folder of the tests' Chromium: emptied before each run. */
import { rmSync } from "node:fs";

export const PROFILE = "build/chromium";

export default function setup(): void {
  rmSync(PROFILE, { recursive: true, force: true });
}
