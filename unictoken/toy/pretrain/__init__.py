"""Making the tiny base and its judge, from nothing, on the toy world."""
