/** `await using` for classes that are closed: defined where the engine knows the symbol. */

/** Gives `closed` a Symbol.asyncDispose that calls `end`. */
export function disposeBy<T>(
  closed: { readonly prototype: T },
  end: (closing: T) => Promise<void>,
): void {
  if (typeof Symbol.asyncDispose !== "symbol") return;
  Object.defineProperty(closed.prototype, Symbol.asyncDispose, {
    value(this: T) {
      return end(this);
    },
    configurable: true,
    writable: true,
  });
}
