/** Files of the server of range-server.ts. */

let count = 0;

/** Puts `bytes` on the server at `base`; answers their address under each mode. */
export async function put(base: string, bytes: Uint8Array): Promise<(mode: string) => string> {
  const id = `${Math.random()}-${count++}`;
  const body = bytes as Uint8Array<ArrayBuffer>;
  await fetch(`${base}/ranges/good/${id}`, { method: "PUT", body });
  return (mode) => `${base}/ranges/${mode}/${id}`;
}
