/** Calls itself until there is no stack. */
let depth: i32 = 0;

export function main(): i32 {
  return further(0);
}

function further(at: i32): i32 {
  depth = at;
  return further(at + 1) + depth;
}
