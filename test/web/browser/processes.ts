/** Processes of a browser, as Linux tells of them. */
import { readdirSync, readFileSync } from "node:fs";

/** What runs: the pids of children by that of their parent; what has ended is left out. */
function children(): Map<number, number[]> {
  const found = new Map<number, number[]>();
  for (const name of readdirSync("/proc").filter((each) => /^\d+$/.test(each))) {
    const stat = textOf(`/proc/${name}/stat`);
    const [state = "Z", parent = "0"] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    if (state === "Z" || state === "X") continue;
    found.set(Number(parent), [...(found.get(Number(parent)) ?? []), Number(name)]);
  }
  return found;
}

/** The renderers of the browser that this process has started on `profile`, and of no other. */
export function renderers(profile: string): number[] {
  const below = children();
  // Chromium starts from this process; its command line names the profile.
  const isOurs = (pid: number) => commandOf(pid).includes(profile);
  const all = (pid: number): number[] => [pid, ...(below.get(pid) ?? []).flatMap(all)];
  return (below.get(process.pid) ?? [])
    .filter(isOurs)
    .flatMap(all)
    .filter((pid) => commandOf(pid).includes("--type=renderer"));
}

function commandOf(pid: number): string {
  return textOf(`/proc/${pid}/cmdline`);
}

/** Bytes of memory that are a process's own. */
export function ownBytes(pid: number): number {
  const [, kib = "0"] = /^RssAnon:\s+(\d+)/m.exec(textOf(`/proc/${pid}/status`)) ?? [];
  return Number(kib) * 1024;
}

/** Empty for a process that has ended since it was listed. */
function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
