/** ABI: CAPOSST1. */
