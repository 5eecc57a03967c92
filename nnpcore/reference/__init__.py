"""Reference potentials whose atomic energies are known exactly, samplers and builders: data without a DFT code."""
