/**
 * Every line that the emulated machine prints on its serial console. They are protocol: people and
 * scripts wait for them, so each has one place and is never reworded.
 */

/** The kernel has mounted the data region and found system/config in it. */
export const DATA_REGION_MOUNTED = "data region: mounted";

/** No disk, no valid superblock or no system/config: init gets the base manifest's caps alone. */
export const BASE_FLOOR = "no data region; base floor";

/** No device has an ESP with a boot loader: the firmware gives up. */
export const NO_BOOTABLE_DEVICE = "firmware: no bootable device";

/** Init holds data-config and data-store; `entries` counts what lies in system/config. */
export function dataRegionMounted(entries: number): string {
  return `[init] data-region mounted: system/config entries=${entries}`;
}

/** The overlay was rejected whole; `reason` is `<class>: <sentence>`. The base floor boots. */
export function overlayRejected(reason: string): string {
  return `[init] overlay rejected: ${reason}`;
}
