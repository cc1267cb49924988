import { runJob } from "/tmp/dw/flowsim/test/sim/job.ts";

const [from, to, max, plant] = process.argv.slice(2);
let states = 0,
  cpu = 0,
  mounts = 0;
for (let seed = Number(from); seed <= Number(to); seed++) {
  const c = process.cpuUsage();
  const o = runJob({
    subject: "generations",
    seed,
    plant: plant || undefined,
    statesMax: max ? Number(max) : undefined,
    shorten: process.env.SHORT === "1",
  });
  const u = process.cpuUsage(c);
  const ms = (u.user + u.system) / 1000;
  states += o.states;
  cpu += ms;
  mounts += o.mounts;
  console.log(
    seed,
    o.states,
    "states",
    o.mounts,
    "mounts depth",
    o.depth,
    (ms / o.states).toFixed(2),
    "ms/state",
    o.violations.length ? o.violations[0] : "",
  );
  if (o.violations.length && process.env.STOP) break;
}
console.log(states, "states", mounts, (cpu / states).toFixed(3), "ms/state cpu");
