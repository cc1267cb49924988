/** The machine and its generations: boot, provision, update, fall back, roll back; and the plug. */

import { useState } from "preact/hooks";
import type { BootSummary, FlowSummary, OpenDisk, SystemStatus } from "../rpc/api.ts";
import { h, type View } from "../view/h.ts";
import { Button, Check, Panel, type PanelProps, TextField } from "../view/parts.ts";

type DiskProps = PanelProps & { readonly disk: OpenDisk };

const OUTCOMES: Readonly<Record<BootSummary["outcome"], string>> = {
  checkpoint: "It came up and passed its health checkpoint",
  unhealthy: "It came up, but its services did not all start",
  recovery: "No generation may run: the machine is in recovery",
  "no-bootable-device": "The firmware found nothing to boot",
  "no-kernel": "The boot loader of RayOS found no kernel",
  installed: "The installer of RayOS has run",
};

export function Power({ store, disk }: DiskProps): View {
  const { api, running } = store;
  const cut = async () => {
    try {
      await api.cut();
      store.say("done", "The power is cut. What was not flushed is kept or lost by chance.");
    } catch (error) {
      store.fail(error);
    }
  };
  const arm = async (wanted: boolean) => {
    try {
      await api.cutNext({ armed: wanted });
    } catch (error) {
      store.fail(error);
    }
  };
  const switchOn = () =>
    store.act("Switching on", async () => {
      await api.powerOn();
      return "The power is on again. This is what is on the disk.";
    });
  return h(
    Panel,
    { id: "power", title: "Power" },
    disk.powered
      ? [
          h(Button, { kind: "danger", onClick: cut }, "Cut the power now"),
          h(Check, {
            ...{
              id: "armed",
              label: "Cut it in the middle of the next action",
              checked: disk.armed,
            },
            ...{ onChange: arm, disabled: running !== undefined },
          }),
        ]
      : [
          h("p", null, "The power is cut."),
          h(
            Button,
            { kind: "main", disabled: running !== undefined, onClick: switchOn },
            "Switch on again",
          ),
        ],
  );
}

export function System({ store, disk }: DiskProps): View {
  const [hostname, setHostname] = useState("one");
  const { api, running, lastBoot } = store;
  const { status, statusError, isDemo } = disk;
  const disabled = running !== undefined || !disk.powered;
  const cannotWrite = disabled || disk.readOnly || status === undefined;
  const boot = () =>
    store.act("Booting", async () => {
      store.print("machine: power on");
      store.lastBoot = undefined;
      const summary = await api.boot();
      store.lastBoot = summary;
      return bootSentence(summary);
    });
  const flow = (title: string, call: () => Promise<FlowSummary>, said: (id: number) => string) =>
    store.act(title, async () => said((await call()).generation));
  const tried = (id: number) => `Generation ${id} is staged. The next boot tries it.`;
  const isProvisioned = status?.provisioned === true;
  const waits = status !== undefined && status.phase !== "idle";
  const rollback = (to?: number) => flow("Rolling back", () => api.rollback({ to }), tried);
  return h(
    Panel,
    { id: "system", title: "Machine and generations" },
    lastBoot === undefined ? null : h("p", null, `Last boot: ${bootSentence(lastBoot)}`),
    statusError === undefined ? null : h("p", { class: "quiet" }, `No system yet: ${statusError}`),
    h(TextField, {
      ...{ id: "hostname", label: "Host name for provision and update", value: hostname },
      onInput: setHostname,
    }),
    h(
      "div",
      { class: "row", role: "group", "aria-label": "What to do" },
      h(Button, { kind: "main", disabled, onClick: boot }, "Boot"),
      h(
        Button,
        {
          disabled: cannotWrite || isProvisioned,
          onClick: () =>
            flow(
              "Provisioning",
              () => api.provision({ hostname }),
              (id) => `Generation ${id} is provisioned and active.`,
            ),
        },
        "Provision",
      ),
      h(
        Button,
        {
          disabled: cannotWrite || !isProvisioned || waits,
          onClick: () => flow("Updating", () => api.update({ hostname, failing: false }), tried),
        },
        "Update",
      ),
      isDemo
        ? h(
            Button,
            {
              disabled: cannotWrite || !isProvisioned || waits,
              onClick: () => flow("Updating", () => api.update({ hostname, failing: true }), tried),
            },
            "Failing update",
          )
        : null,
      h(
        Button,
        { disabled: cannotWrite || !isProvisioned || waits, onClick: () => rollback() },
        "Roll back",
      ),
      waits
        ? h(
            Button,
            {
              disabled: cannotWrite,
              onClick: () =>
                flow(
                  "Cancelling",
                  () => api.cancel(),
                  (id) => `Generation ${id} is dropped.`,
                ),
            },
            "Cancel what waits",
          )
        : null,
      status?.recovery
        ? h(
            Button,
            {
              disabled: cannotWrite,
              onClick: () =>
                flow(
                  "Ending recovery",
                  () => api.recover(),
                  (id) => `Generation ${id} is active.`,
                ),
            },
            "End recovery",
          )
        : null,
    ),
    status === undefined ? null : h(Timeline, { status, disabled: cannotWrite || waits, rollback }),
  );
}

function bootSentence({ outcome, generation, resets }: BootSummary): string {
  const ran = generation === undefined ? "" : `, generation ${generation}`;
  const again = resets === 0 ? "" : `, after ${resets} reset${resets === 1 ? "" : "s"}`;
  return `${OUTCOMES[outcome]}${ran}${again}.`;
}

function Timeline(props: {
  status: SystemStatus;
  disabled: boolean;
  rollback: (to: number) => unknown;
}): View {
  const { status, disabled, rollback } = props;
  const { generations, active, why, phase, triesLeft } = status;
  if (generations.length === 0) {
    return h("p", null, "No generation yet: the base alone runs. Provision the disk.");
  }
  return h(
    "div",
    null,
    h("h3", { id: "timeline" }, "Generations"),
    why === null ? null : h("p", null, `Last rollback: ${why}.`),
    phase === "armed" || phase === "trying"
      ? h("p", null, `A candidate waits; attempts left: ${triesLeft}.`)
      : null,
    h(
      "ol",
      { class: "timeline", "aria-labelledby": "timeline" },
      ...generations.map(({ id, roles, state, bad, ready, fault, manifestHash }) => {
        const words = [...roles, state.toLowerCase(), ...(bad ? ["bad"] : [])];
        const current = id === active ? { "aria-current": true } : {};
        return h(
          "li",
          { key: id, ...current },
          h("strong", null, `Generation ${id}`),
          ` ${[...new Set(words)].join(", ")} `,
          h("code", null, manifestHash.slice(0, 16)),
          fault === null ? null : h("p", { class: "warning" }, fault),
          id === active || ready !== true || bad || roles.includes("candidate")
            ? null
            : h(Button, { disabled, onClick: () => rollback(id) }, `Roll back to generation ${id}`),
        );
      }),
    ),
  );
}
