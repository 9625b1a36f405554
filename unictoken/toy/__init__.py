"""The toy world: pixel-art pets, the base and the judge that know them, the benchmark of them."""
