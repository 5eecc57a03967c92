"""Networks, the ensemble potential, its ASE calculator and file format."""
