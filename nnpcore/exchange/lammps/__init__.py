"""Running an exported potential in LAMMPS, and comparing with it."""
