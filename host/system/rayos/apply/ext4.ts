/** The ext4 of the product, as the installation asks for it. */
import { Ext4Volume } from "../../../core/media/ext4.ts";
import { buildExt4, planExt4, smallestExt4 } from "../../../core/media/ext4-build.ts";
import type { Ext4Tools } from "../plan/ext4.ts";

export const ext4: Ext4Tools = {
  smallest: smallestExt4,
  plan: (media, device, request) => void planExt4(media, device, request),
  build: buildExt4,
  open: (media, device, window) => {
    const volume = Ext4Volume.open(media, device, { ...window, readOnly: true });
    return {
      label: volume.label,
      list: (path) => volume.list(path),
      stat: (path) => volume.lstat(path),
      xattrs: (path) => volume.xattrs(path),
      open: (path) => volume.open(path),
      check: () =>
        volume
          .check()
          .filter(({ isAdvice }) => !isAdvice)
          .map(({ reason }) => reason),
      close: () => volume.close(),
    };
  },
};
