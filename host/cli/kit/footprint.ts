/**
 * Keeps the program small: imported first, before anything is allocated. An installation of many
 * files makes much garbage, which the engine would otherwise let lie up to some 170 MiB.
 */
import { setFlagsFromString } from "node:v8";

setFlagsFromString("--optimize-for-size");
