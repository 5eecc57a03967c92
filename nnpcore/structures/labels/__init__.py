"""Energies, forces and stresses of a file: under which names, in which units."""
