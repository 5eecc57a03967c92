"""Stands in for LAMMPS with ML-HDNNP: reads its input and data file, computes with the second evaluation."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
from reference_n2p2 import N2p2Folder, energies_and_forces

assert sys.argv[1:] == ["-in", "in.check", "-log", "log.check"]
script = Path("in.check").read_text()
found = re.search(r'^pair_style hdnnp (\S+) dir "(.*)" .*cflength 1 cfenergy 1$', script, re.MULTILINE)
if found is None:
    print("ERROR: Unrecognized pair style")
    sys.exit(1)
potential = N2p2Folder(Path(found[2]))
assert float(found[1]) >= potential.cutoff
types = re.search(r"^pair_coeff \* \* (.*)$", script, re.MULTILINE)[1].split()  # type: ignore[index]
lines = Path("structure.data").read_text().split("\n")
assert lines[2].endswith("atoms") and lines[5].endswith("xlo xhi") and lines[8].endswith("xy xz yz")
lx, ly, lz = (float(lines[k].split()[1]) for k in (5, 6, 7))
xy, xz, yz = map(float, lines[8].split()[:3])
cell = np.array([[lx, 0, 0], [xy, ly, 0], [xz, yz, lz]])
assert min(lx, ly, lz) > 0
rows = [line.split() for line in lines[lines.index("Atoms") + 2 :] if line]
symbols = [types[int(row[1]) - 1] for row in rows]
positions = np.array([[float(word) for word in row[2:]] for row in rows])
energies, forces = energies_and_forces(
    potential.energy, potential.cutoff, symbols, positions, cell, (True, True, True)
)
if "wrong" in Path(found[2]).parts[-2]:
    forces[0, 0] += 1e-4
Path("energy.txt").write_text(f"{energies.sum():.17g}\n")
head = ["ITEM: TIMESTEP"] * 9
order = range(len(rows))[::-1]
dump = [f"{k + 1} " + " ".join(f"{x:.17g}" for x in forces[k]) for k in order]
Path("forces.txt").write_text("\n".join([*head, *dump]) + "\n")
