/** ABI: CAPOSRO1, the read-only image. */
