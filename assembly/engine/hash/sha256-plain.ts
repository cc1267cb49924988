/** The block function of SHA-256 without SIMD, for engines and translators that have none. */
import { SHA256_ROUNDS } from "./sha256-tables";

/** Takes the block at `address` into the words at `state`; `schedule`: 256 bytes to work in. */
export function plainRounds(state: usize, address: usize, schedule: usize): void {
  for (let at: usize = 0; at < 64; at += 4) {
    store<u32>(schedule + at, bswap<u32>(load<u32>(address + at)));
  }
  for (let at = schedule + 64; at < schedule + 256; at += 4) {
    const fifteen = load<u32>(at - 60);
    const two = load<u32>(at - 8);
    const small0 = rotr<u32>(fifteen, 7) ^ rotr<u32>(fifteen, 18) ^ (fifteen >>> 3);
    const small1 = rotr<u32>(two, 17) ^ rotr<u32>(two, 19) ^ (two >>> 10);
    store<u32>(at, load<u32>(at - 64) + small0 + load<u32>(at - 28) + small1);
  }
  let a = load<u32>(state);
  let b = load<u32>(state, 4);
  let c = load<u32>(state, 8);
  let d = load<u32>(state, 12);
  let e = load<u32>(state, 16);
  let f = load<u32>(state, 20);
  let g = load<u32>(state, 24);
  let h = load<u32>(state, 28);
  for (let at: usize = 0; at < 256; at += 4) {
    const big1 = rotr<u32>(e, 6) ^ rotr<u32>(e, 11) ^ rotr<u32>(e, 25);
    const chosen = (e & f) ^ (~e & g);
    const first = h + big1 + chosen + load<u32>(SHA256_ROUNDS + at) + load<u32>(schedule + at);
    const big0 = rotr<u32>(a, 2) ^ rotr<u32>(a, 13) ^ rotr<u32>(a, 22);
    const second = big0 + ((a & b) ^ (a & c) ^ (b & c));
    h = g;
    g = f;
    f = e;
    e = d + first;
    d = c;
    c = b;
    b = a;
    a = first + second;
  }
  add(state, a);
  add(state + 4, b);
  add(state + 8, c);
  add(state + 12, d);
  add(state + 16, e);
  add(state + 20, f);
  add(state + 24, g);
  add(state + 28, h);
}

function add(at: usize, word: u32): void {
  store<u32>(at, load<u32>(at) + word);
}
