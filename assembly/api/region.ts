/** ABI: regions: format, open, commit, check. */
