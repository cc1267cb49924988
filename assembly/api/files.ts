/** ABI: CAPOSWF1 and what filesystems share. */
