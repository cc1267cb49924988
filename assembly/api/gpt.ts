/** ABI: partition tables. */
