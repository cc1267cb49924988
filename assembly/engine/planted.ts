/** Planted bugs: switches that only the test build has, to prove that the simulator finds bugs. */

let selected: u32 = 0;

/** True while bug `id` (names: test/sim/planted.ts) is switched on; always false in the product. */
export function planted(id: u32): bool {
  return isDefined(PLANTS) ? selected === id : false;
}

/** Switches bug `id` on, 0 none. Exported by the test build only. */
export function plant(id: u32): void {
  selected = id;
}
