"""aenet's files as it writes them, and what they mean, without Eatlas' code."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

ACTIVATIONS = {
    0: lambda x: x,
    1: np.tanh,
    2: lambda x: 1 / (1 + np.exp(-x)),
    3: lambda x: 1.7159 * np.tanh(2 * x / 3),
}


@dataclass
class Network:
    """One element's file; ``functions`` of Behler2011 are (kind, neighbors, parameters) in the file's order,
    ``orders`` of Chebyshev (radial cutoff, order, angular cutoff, order)."""

    element: str
    environment: list[str]
    layers: list[tuple[np.ndarray, int]]
    mean: np.ndarray
    square: np.ndarray
    functions: list[tuple[int, list[str], list[float]]] = field(default_factory=list)
    orders: tuple[float, int, float, int] | None = None
    types: list[str] = field(default_factory=list)
    energies: list[float] = field(default_factory=list)
    scale: float = 0.37
    shift: float = -5.8

    def values(self) -> list[tuple[str, Any]]:
        """What stands in the file, each with its kind."""
        nodes = [self.layers[0][0].shape[1] - 1, *(len(w) for w, _ in self.layers)]
        n = nodes[0]
        weights = np.concatenate([w.ravel(order="F") for w, _ in self.layers])
        iw = np.cumsum([0, *(w.size for w, _ in self.layers)])
        iv = np.cumsum([0, *(k + 1 for k in nodes[:-1])])
        kinds, parameters, near = [0] * n, np.zeros((n, 4)), np.zeros((n, 2), dtype=int)
        if self.orders:
            parameters[0] = self.orders
        for k, (kind, neighbors, numbers) in enumerate(self.functions):
            kinds[k] = kind
            parameters[k, : len(numbers)] = numbers
            near[k, : len(neighbors)] = [self.environment.index(e) + 1 for e in neighbors]
        cutoff = float(parameters[:, 0].max())
        numbers = ("number", "numbers")
        return [
            *(("integer", len(nodes)), ("integer", max(nodes)), ("integer", len(weights))),
            ("integer", int(iv[-1] + 1)),
            *(("integers", nodes), ("integers", [f for _, f in self.layers])),
            *(("integers", iw.tolist()), ("integers", iv.tolist()), ("numbers", weights.tolist())),
            *(("text 1024", "made up$$for a test$$"), ("text 2", self.element)),
            *(("integer", len(self.environment)), ("symbols", self.environment)),
            *((numbers[0], 0.5), (numbers[0], cutoff)),
            ("text 100", "Chebyshev" if self.orders else "Behler2011"),
            *(("integer", n), ("integer", 4), ("integers", kinds)),
            *(("numbers", parameters.ravel().tolist()), ("neighbors", near)),
            ("integer", 4711),
            *((("numbers", v.tolist())) for v in (self.mean - 9, self.mean + 9, self.mean, self.square)),
            *(("text 1024", "/some where/data.train"), ("truth", True)),
            *((numbers[0], self.scale), (numbers[0], self.shift), ("integer", len(self.types))),
            *(("symbols", self.types), ("numbers", self.energies)),
            *(("integer", 161), ("integer", 5), ("three", [-8.5, -8.4, -8.45])),
        ]

    def text(self, own_neighbors: bool = True) -> str:
        """The text aenet writes: four numbers a line, as many neighbors a function as there are elements."""
        lines: list[str] = []
        for kind, value in self.values():
            if kind.startswith("text"):
                lines.append(value)
            elif kind == "symbols":
                lines += [f"{symbol:2}" for symbol in value]
            elif kind in ("integer", "truth"):
                lines.append(f" {value:11d}" if kind == "integer" else " T")
            elif kind == "number":
                lines.append(f"   {value!r}     ")
            elif kind == "three":
                lines.append("  ".join(map(repr, value)))
            else:
                lines += self._rows(kind, value, own_neighbors)
        return "\n".join(lines) + "\n"

    def _rows(self, kind: str, value: Any, own_neighbors: bool) -> list[str]:
        if kind == "neighbors":
            flat = np.append(value.ravel(), 0)
            each = len(self.environment) if own_neighbors else 2
            value = [int(flat[2 * j + i]) for j in range(len(value)) for i in range(each)]  # past its own row
        words = [f" {x:17d}" if kind != "numbers" else f" {x:24.17E}" for x in value]
        return ["".join(words[k : k + 4]) for k in range(0, len(words), 4)]

    def records(self) -> bytes:
        """Fortran's records."""
        out = b""
        for kind, value in self.values():
            if kind.startswith("text"):
                data = value.ljust(int(kind[5:])).encode()
            elif kind == "symbols":
                data = "".join(f"{symbol:2}" for symbol in value).encode()
            elif kind in ("integer", "truth"):
                data = struct.pack("<i", value)
            elif kind in ("integers", "neighbors"):
                data = np.asarray(value, "<i4").tobytes()
            else:
                data = np.asarray(value, "<f8").tobytes()
            out += struct.pack("<i", len(data)) + data + struct.pack("<i", len(data))
        return out

    def atomic_energy(self, near: list[tuple[str, np.ndarray]]) -> float:
        """The energy of an atom with these neighbors, eV; ``near`` are elements and vectors."""
        raw = self.chebyshev(near) if self.orders else self.behler(near)
        deviation = np.sqrt(np.maximum(self.square - self.mean**2, 0.0))
        x = np.where(deviation > 1e-10, (raw - self.mean) / np.where(deviation > 1e-10, deviation, 1.0), 0.0)
        for matrix, number in self.layers:
            x = ACTIVATIONS[number](matrix @ np.append(x, 1.0))
        return float(x[0]) / self.scale + self.shift + self.energies[self.types.index(self.element)]

    def behler(self, near: list[tuple[str, np.ndarray]]) -> np.ndarray:
        """Functions in aenet's order of evaluation: pairs of elements, then kinds, then the file's order."""
        found: list[float] = []
        for a, first in enumerate(self.environment):
            for kind in (1, 2, 3):
                found += [self._radial(f, near) for f in self.functions if f[:2] == (kind, [first])]
            for second in self.environment[a:]:
                for kind in (4, 5):
                    both = [
                        f for f in self.functions if f[0] == kind and sorted(f[1]) == sorted([first, second])
                    ]
                    found += [self._angular(f, near) for f in both]
        return np.array(found)

    @staticmethod
    def _radial(f: tuple[int, list[str], list[float]], near: list[tuple[str, np.ndarray]]) -> float:
        kind, (element,), numbers = f
        total = 0.0
        for symbol, v in near:
            r = float(np.linalg.norm(v))
            if symbol == element and r < numbers[0]:
                total += cut(r, numbers[0]) * (
                    1 if kind == 1 else math.exp(-numbers[2] * (r - numbers[1]) ** 2)
                )
        return total

    @staticmethod
    def _angular(f: tuple[int, list[str], list[float]], near: list[tuple[str, np.ndarray]]) -> float:
        kind, elements, (cutoff, lambda_, zeta, eta) = f
        total = 0.0
        for (a, u), (b, v) in combinations(near, 2):
            sides = [float(np.linalg.norm(w)) for w in ((u, v, v - u) if kind == 4 else (u, v))]
            if sorted([a, b]) != sorted(elements) or max(sides) >= cutoff:
                continue
            cosine = float(u @ v) / (sides[0] * sides[1])
            product = (0.5 * (1 + lambda_ * cosine)) ** zeta
            for r in sides:
                product *= math.exp(-eta * r * r) * cut(r, cutoff)
            total += 2 * product
        return total

    def chebyshev(self, near: list[tuple[str, np.ndarray]]) -> np.ndarray:
        """Radial and angular sums, then, of several elements, the same with spins."""
        assert self.orders
        far, n, narrow, m = self.orders
        half = len(self.environment) // 2
        spins = [s for s in range(-half, half + 1) if s or len(self.environment) % 2]
        spin = dict(zip(self.environment, spins, strict=True))
        sums = np.zeros((2, n + m + 2))
        for symbol, v in near:
            r = float(np.linalg.norm(v))
            if r < far:
                row = np.array([math.cos(k * math.acos(2 * r / far - 1)) for k in range(n + 1)]) * cut(r, far)
                sums[:, : n + 1] += np.outer([1, spin[symbol]], row)
        for (a, u), (b, v) in combinations(near, 2):
            r, s = float(np.linalg.norm(u)), float(np.linalg.norm(v))
            if max(r, s) < narrow:
                angle = math.acos(max(-1.0, min(1.0, float(u @ v) / (r * s))))
                row = np.array([math.cos(k * angle) for k in range(m + 1)]) * cut(r, narrow) * cut(s, narrow)
                sums[:, n + 1 :] += np.outer([1, spin[a] * spin[b]], row)
        return sums.ravel() if len(self.environment) > 1 else sums[0]


def cut(r: float, cutoff: float) -> float:
    """aenet's cutoff function."""
    return 0.5 * (math.cos(math.pi * r / cutoff) + 1)


def made_up(element: str, environment: list[str], rng: np.random.Generator, **how: Any) -> Network:
    """A network with random weights on functions or polynomials; ``activations`` of its layers."""
    activations = how.pop("activations", (1, 3, 0))
    if how.get("orders"):
        n = (how["orders"][1] + how["orders"][3] + 2) * (2 if len(environment) > 1 else 1)
    else:
        n = len(how["functions"])
    nodes = [n, *(4 + k for k in range(len(activations) - 1)), 1]
    layers = [
        (rng.normal(size=(b, a + 1)) / math.sqrt(a + 1), f)
        for a, b, f in zip(nodes, nodes[1:], activations, strict=False)
    ]
    mean = rng.normal(size=n)
    square = mean**2 + rng.uniform(0.5, 2.0, size=n)
    square[1] = mean[1] ** 2  # an input that did not vary
    energies = [-100.0 - 10 * k for k in range(len(environment))]
    return Network(
        element, environment, layers, mean, square, types=list(environment), energies=energies, **how
    )


def write_all(folder: Path, networks: list[Network], how: str) -> None:
    """Write the networks as "text", as text with "two" neighbors a function, or as "records"."""
    folder.mkdir(parents=True, exist_ok=True)
    for network in networks:
        if how == "records":
            (folder / f"{network.element}.5t-5m.nn").write_bytes(network.records())
        else:
            (folder / f"{network.element}.5t-5m.nn.ascii").write_text(network.text(how == "text"))
