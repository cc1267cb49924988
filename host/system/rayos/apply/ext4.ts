/** The ext4 of the product, as the installation asks for it. */
import { buildExt4, planExt4, smallestExt4 } from "../../../core/media/ext4-build.ts";
import type { Ext4Tools } from "../plan/ext4.ts";

export const ext4: Ext4Tools = {
  smallest: smallestExt4,
  plan: (media, device, request) => void planExt4(media, device, request),
  build: buildExt4,
};
