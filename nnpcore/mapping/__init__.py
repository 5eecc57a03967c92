"""Atomic-energy mapping: EOS, bracket, PCA, distance, connectivity, verdict."""
