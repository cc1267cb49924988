/** The synchronous HTTP device in a worker: the contract, and servers good and bad. */
import { HttpSyncDevice } from "../../../host/device/remote/http.ts";
import { deviceContract } from "../../support/contract.ts";
import { httpTests } from "../../support/http.ts";
import { put } from "../../support/put.ts";

deviceContract(
  "http by synchronous requests",
  async ({ sizeBytes, blkSize, content }) => {
    const bytes = new Uint8Array(sizeBytes);
    bytes.set(content);
    const address = await put(location.origin, bytes);
    return { device: await HttpSyncDevice.open(address("good"), { blkSize, serial: "HTTP-2" }) };
  },
  { writable: false },
);

httpTests(
  () => location.origin,
  (...given) => HttpSyncDevice.open(...given),
  true,
);
