/** Questions before destructive steps: asked on a terminal, refused where nobody can answer. */
import { refusal } from "../../base/errors.ts";

/** Returns when the person agrees; throws a Refusal otherwise. */
export async function confirm(question: string, yes: boolean): Promise<void> {
  if (yes) return;
  if (!process.stdin.isTTY || !process.stderr.isTTY) {
    throw refusal("EPERM", "confirm", `${question} Nobody is here to answer.`, {
      hint: "Pass --yes to go on.",
    });
  }
  // Loaded only when somebody is asked: a program that starts often starts faster.
  const { confirm: ask, isCancel } = await import("@clack/prompts");
  const answer = await ask({ message: question, initialValue: false, output: process.stderr });
  if (isCancel(answer) || !answer) {
    throw refusal("ECANCELED", "confirm", "stopped before anything was written.");
  }
}

/** Words of a command as a shell takes them. */
export function shellLine(words: readonly string[]): string {
  return words
    .map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`))
    .join(" ");
}
