/** Planted bugs of this room: no product code switches one on, the simulator does. */

let selected = 0;

/** True while bug `id` (names: test/sim/planted.ts) is switched on; always false in the product. */
export function planted(id: number): boolean {
  return selected === id;
}

/** Switches bug `id` on, 0 none. For the simulator only. */
export function plant(id: number): void {
  selected = id;
}
