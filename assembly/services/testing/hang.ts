/** Never ends. */
export function main(): i32 {
  let turns: i32 = 0;
  while (turns >= 0) turns = (turns + 1) & 0xff;
  return turns;
}
