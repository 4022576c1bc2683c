"""``footfall demo``: the whole way from a call to a server, on real software and data, checked number by number."""
