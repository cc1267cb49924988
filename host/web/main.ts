/** The entry of the page: starts the worker, connects to it, draws what it tells. */
import { render } from "preact";
import { failure } from "../base/errors.ts";
import { lifeName, watchLife } from "../base/web/life.ts";
import type { Port } from "../base/web/peer/peer.ts";
import { Page } from "./page.ts";
import type { Api, Notice } from "./rpc/api.ts";
import { connect } from "./rpc/client.ts";
import { h } from "./view/h.ts";
import { Store } from "./view/store.ts";

const root = document.getElementById("page") as HTMLElement;

let waiting = false;
/** Draws once a frame, however much is told. */
function draw(): void {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    render(h(Page, { store }), root);
    remember();
  });
}

const name = lifeName();
const worker = new Worker(new URL("./worker/worker.ts", import.meta.url), { type: "module", name });
const connection = connect<Api>(worker as unknown as Port, (notice) => {
  store.onNotice(notice as Notice);
});
const store = new Store(connection.api, draw);

worker.addEventListener("error", ({ message }) => {
  loseWorker(message === undefined || message === "" ? "it could not be loaded" : message);
});

/** Whatever waits for the worker is told that it will not answer. */
function loseWorker(why: string): void {
  const hint = "Reload the page: the disks are as they were last committed.";
  const lost = failure("EIO", "worker", `the worker of the page has ended: ${why}.`, { hint });
  connection.fail(lost);
  store.lost = true;
  store.fail(lost);
}

/** The open disk is in the address, so that a reload opens it again. */
function remember(): void {
  const open = store.state?.open;
  const wanted = open === undefined || open.where === "file" ? "" : `#${open.name}`;
  if (store.state === undefined || location.hash === wanted) return;
  history.replaceState(null, "", wanted === "" ? location.pathname : wanted);
}

/** The disk's name that the address has; "": none, or nothing that can be one. */
function inAddress(): string {
  try {
    return decodeURIComponent(location.hash.slice(1));
  } catch {
    return "";
  }
}

async function start(): Promise<void> {
  const wanted = inAddress();
  await store.act("Starting", async () => {
    const state = await store.api.start();
    watchLife(name, () => loseWorker("the browser stopped it"));
    const isThere = state.disks.some(({ name }) => name === wanted);
    if (isThere) await store.api.open({ name: wanted });
    else store.onNotice({ kind: "state", state });
    return undefined;
  });
  // What was refused is told; the list of disks is there all the same.
  if (store.state === undefined && !store.lost) {
    await store.api.refresh().catch((error: unknown) => store.fail(error));
  }
}

draw();
void start();
