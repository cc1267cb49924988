/** ABI: FAT32: format, write, read, check. */
