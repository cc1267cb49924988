/**
 * Constants of SHA-256, shared by the kernels for one message and for four: computed when the
 * module starts, which takes less code than the words themselves.
 */
const ROUNDS: u32 = 64;
const START_WORDS: u32 = 8;
/** Newton's method from 8 is exact to the last bit of an f64 well before that. */
const STEPS: u32 = 12;

/** First words of the fractions of the cube roots of 64 primes (FIPS 180-4, 4.2.2). */
export const SHA256_ROUNDS: usize = memory.data(256, 16);
/** The same of the square roots of the first 8: the start state (FIPS 180-4, 5.3.3). */
export const SHA256_START: usize = memory.data(32, 16);

function fraction(root: f64): u32 {
  return <u32>((root - floor(root)) * 4294967296.0);
}

let prime: u32 = 1;
for (let index: u32 = 0; index < ROUNDS; index++) {
  let divisor: u32 = 0;
  while (divisor !== prime) {
    prime += 1;
    divisor = 2;
    while (prime % divisor !== 0) divisor += 1;
  }
  const value = <f64>prime;
  let root: f64 = 8;
  for (let step: u32 = 0; step < STEPS; step++) {
    root -= (root * root * root - value) / (3 * root * root);
  }
  store<u32>(SHA256_ROUNDS + (index << 2), fraction(root));
  if (index < START_WORDS) store<u32>(SHA256_START + (index << 2), fraction(sqrt<f64>(value)));
}
