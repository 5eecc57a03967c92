"""Any ASE calculator as a model of atomic energies, in a process of its own."""
