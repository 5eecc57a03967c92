"""A second evaluation of an n2p2 folder, written from the description of its files; nothing of nnpcore in it.

Derivatives are complex steps: a coordinate moves by i·1e-30, the imaginary part of the energy is the slope to
the last digit.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

NUMBERS = {"H": 1, "C": 6, "O": 8, "Si": 14, "Ni": 28}
STEP = 1e-30
Values = np.ndarray
Evaluate = Callable[[str, "Neighbors"], complex]


class Neighbors:
    """All atoms within a radius of one atom, periodic images and its own included."""

    def __init__(
        self, symbols: Sequence[str], positions: Values, cell: Values, pbc: Sequence[bool], i: int, rc: float
    ):
        ranges = []
        for axis in range(3):
            if not pbc[axis]:
                ranges.append([0])
                continue
            normal = np.cross(cell[(axis + 1) % 3], cell[(axis + 2) % 3])
            height = abs(cell[axis] @ normal) / np.linalg.norm(normal)
            n = math.ceil(rc / height) + 1
            ranges.append(list(range(-n, n + 1)))
        found, vectors = [], []
        for image in itertools.product(*ranges):
            for j in range(len(symbols)):
                vector = positions[j] + np.array(image) @ cell - positions[i]
                if (j, *image) != (i, 0, 0, 0) and np.linalg.norm(vector.real) < rc:
                    found.append(symbols[j])
                    vectors.append(vector)
        self.symbols = np.array(found, dtype=object)
        self.vectors = np.array(vectors).reshape(-1, 3)
        self.distances = np.sqrt((self.vectors**2).sum(axis=1))


def cosine_cutoff(r: Values, rc: float) -> Values:
    return np.where(r.real < rc, 0.5 * (np.cos(np.pi * r / rc) + 1), 0)


def radial(n: Neighbors, e1: str, eta: float, rs: float, rc: float) -> complex:
    r = n.distances[n.symbols == e1]
    return (np.exp(-eta * (r - rs) ** 2) * cosine_cutoff(r, rc)).sum()


def angular(
    n: Neighbors, pair: tuple[str, str], eta: float, lam: float, zeta: float, rc: float, third: bool
) -> complex:
    """``third``: with the factors of the side opposite the central atom."""
    total = 0j
    for j, k in itertools.combinations(range(len(n.symbols)), 2):
        if sorted((n.symbols[j], n.symbols[k])) != sorted(pair):
            continue
        rij, rik = n.distances[j], n.distances[k]
        if rij.real >= rc or rik.real >= rc:
            continue
        opposite = n.vectors[k] - n.vectors[j]
        rjk = np.sqrt((opposite**2).sum())
        if third and rjk.real >= rc:
            continue
        base = 1 + lam * (n.vectors[j] @ n.vectors[k]) / (rij * rik)
        if base.real <= 0:
            continue
        exponent = rij**2 + rik**2 + (rjk**2 if third else 0)
        factor = 0.25 * (np.cos(np.pi * rij / rc) + 1) * (np.cos(np.pi * rik / rc) + 1)
        if third:
            factor *= 0.5 * (np.cos(np.pi * rjk / rc) + 1)
        total += base**zeta * np.exp(-eta * exponent) * factor
    return 2 ** (1 - zeta) * total


def activate(letter: str, x: Values) -> Values:
    if letter == "l":
        return x
    if letter == "t":
        return np.tanh(x)
    if letter == "s":
        return 1 / (1 + np.exp(-x))
    if letter == "p":
        return np.where(x.real > 35, x, np.log(1 + np.exp(np.where(x.real > 35, 0, x))))
    if letter == "r":
        return np.where(x.real > 0, x, 0)
    if letter == "g":
        return np.exp(-(x**2) / 2)
    if letter == "c":
        return np.cos(x)
    if letter == "S":
        return 1 - 1 / (1 + np.exp(-x))
    if letter == "e":
        return np.exp(-x)
    if letter == "h":
        return x**2
    raise ValueError(letter)


class N2p2Folder:
    """input.nn, scaling.data and the weights, as read by someone who knows only the description."""

    def __init__(self, folder: Path) -> None:
        self.words: dict[str, list[list[str]]] = {}
        for line in (folder / "input.nn").read_text().splitlines():
            words = line.split("#")[0].split()
            if words:
                self.words.setdefault(words[0], []).append(words[1:])
        self.elements = sorted(self.words["elements"][0], key=NUMBERS.__getitem__)
        self.functions = {e: self._functions(e) for e in self.elements}
        rows = [
            [float(word) for word in line.split()]
            for line in (folder / "scaling.data").read_text().splitlines()
            if not line.startswith("#")
        ]
        self.rows = {
            e: np.array([row[2:] for row in rows if row[0] == k + 1]) for k, e in enumerate(self.elements)
        }
        widths = [int(word) for word in self.words["global_nodes_short"][0]]
        self.hidden = {e: list(widths) for e in self.elements}
        for e, layer, width in self.words.get("element_nodes_short", []):
            self.hidden[e][int(layer) - 1] = int(width)
        self.letters = self.words["global_activation_short"][0]
        self.weights = {}
        for e in self.elements:
            lines = (folder / f"weights.{NUMBERS[e]:03d}.data").read_text().splitlines()
            self.weights[e] = [float(line.split()[0]) for line in lines if not line.startswith("#")]
        self.cutoff = max(f[3] for functions in self.functions.values() for f in functions)

    def _functions(self, element: str) -> list[tuple]:
        """(type, cutoff type, inner cutoff, rc, eta, rs, zeta, lambda, e1, e2), sorted as n2p2 does."""
        found = []
        for words in self.words["symfunction_short"]:
            if words[0] != element:
                continue
            kind = int(words[1])
            if kind == 2:
                eta, rs, rc = map(float, words[3:6])
                found.append((2, 1, 0.0, rc, eta, rs, 0.0, 0.0, NUMBERS[words[2]], 0))
            else:
                eta, lam, zeta, rc = map(float, words[4:8])
                e1, e2 = sorted((NUMBERS[words[2]], NUMBERS[words[3]]))
                found.append((kind, 1, 0.0, rc, eta, 0.0, zeta, lam, e1, e2))
        return sorted(found)

    def inputs(self, element: str, n: Neighbors) -> Values:
        symbol = {number: name for name, number in NUMBERS.items()}
        values = []
        for kind, _, _, rc, eta, rs, zeta, lam, e1, e2 in self.functions[element]:
            if kind == 2:
                values.append(radial(n, symbol[e1], eta, rs, rc))
            else:
                values.append(angular(n, (symbol[e1], symbol[e2]), eta, lam, zeta, rc, kind == 3))
        return self.scaled(element, np.array(values))

    def scaled(self, element: str, g: Values) -> Values:
        low, high, mean, sigma = self.rows[element].T
        smin = float(self.words.get("scale_min_short", [["0"]])[0][0])
        smax = float(self.words.get("scale_max_short", [["1"]])[0][0])
        scale, center = "scale_symmetry_functions" in self.words, "center_symmetry_functions" in self.words
        if scale and center:
            return smin + (smax - smin) * (g - mean) / (high - low)
        if scale:
            return smin + (smax - smin) * (g - low) / (high - low)
        if center:
            return g - mean
        if "scale_symmetry_functions_sigma" in self.words:
            return smin + (smax - smin) * (g - mean) / sigma
        return g

    def energy(self, element: str, n: Neighbors) -> complex:
        x, values = self.inputs(element, n), iter(self.weights[element])
        normalize = "normalize_nodes" in self.words
        for width, letter in zip([*self.hidden[element], 1], self.letters, strict=True):
            sums = np.zeros(width, dtype=complex)
            for i in range(len(x)):
                for k in range(width):
                    sums[k] += next(values) * x[i]
            for k in range(width):
                sums[k] += next(values)
            x = activate(letter, sums / len(x) if normalize else sums)
        assert next(values, None) is None
        energy = x[0]
        if "mean_energy" in self.words:
            energy = energy / float(self.words["conv_energy"][0][0]) + float(self.words["mean_energy"][0][0])
        for name, offset in self.words.get("atom_energy", []):
            energy += float(offset) if name == element else 0
        return energy


def energies_and_forces(
    energy_of: Evaluate,
    cutoff: float,
    symbols: Sequence[str],
    positions: Values,
    cell: Values,
    pbc: Sequence[bool],
    atoms: Sequence[int] | None = None,
) -> tuple[Values, Values]:
    """Return atomic energies (n,) and the forces on the chosen atoms (or all)."""

    def energies(moved: Values) -> Values:
        return np.array(
            [
                energy_of(symbol, Neighbors(symbols, moved, cell, pbc, i, cutoff))
                for i, symbol in enumerate(symbols)
            ]
        )

    chosen = range(len(symbols)) if atoms is None else atoms
    forces = np.zeros((len(chosen), 3))
    for row, i in enumerate(chosen):
        for axis in range(3):
            moved = np.array(positions, dtype=complex)
            moved[i, axis] += STEP * 1j
            forces[row, axis] = -energies(moved).sum().imag / STEP
    return energies(np.array(positions, dtype=complex)).real, forces
