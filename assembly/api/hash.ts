/** ABI: hashes and checksums. */
