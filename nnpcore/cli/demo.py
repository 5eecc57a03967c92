"""``eatlas demo``: the paper's first result on the bundled silicon data."""
