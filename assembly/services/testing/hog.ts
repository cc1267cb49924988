/** Takes memory until there is none, and breaks off. */
export function main(): i32 {
  while (true) heap.alloc(65_536);
}
