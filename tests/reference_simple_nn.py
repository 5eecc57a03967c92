"""A second evaluation of SIMPLE-NN's ``potential_saved``, written from its description."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from reference_n2p2 import Neighbors, angular, radial


def activate(name: str, x: np.ndarray) -> np.ndarray:
    if name == "linear":
        return x
    if name == "sigmoid":
        return 1 / (1 + np.exp(-x))
    if name == "tanh":  # as LAMMPS' pair_nn computes it: rounded as a number near one
        small = np.where(np.abs(x.real) < 20, x, 0)
        return np.where(np.abs(x.real) < 20, 2 / (1 + np.exp(-2 * small)) - 1, np.sign(x.real))
    if name == "relu":
        return np.where(x.real > 0, x, 0)
    if name == "selu":
        return 1.0507009873554805 * np.where(x.real > 0, x, 1.6732632423543772 * (np.exp(x) - 1))
    if name == "swish":
        return x / (1 + np.exp(-x))
    raise ValueError(name)


class SimpleNnFile:
    """One ``potential_saved``."""

    def __init__(self, path: Path) -> None:
        lines = [line.split("#")[0] for line in path.read_text().splitlines()]
        words = iter([line.split() for line in lines if line.strip()])
        self.longest_line = max(map(len, path.read_text().splitlines()))
        head = next(words)
        assert head[0] == "ELEM_LIST"
        self.elements = head[1:]
        self.functions: dict[str, list[list[str]]] = {}
        self.scales: dict[str, np.ndarray] = {}
        self.layers: dict[str, list[tuple[str, np.ndarray, np.ndarray]]] = {}
        self.cutoff = 0.0
        for pot in words:
            assert pot[0] == "POT"
            element = pot[1]
            self.cutoff = max(self.cutoff, float(pot[2]))
            self.functions[element] = [next(words) for _ in range(int(next(words)[1]))]
            self.scales[element] = np.array([[float(w) for w in next(words)[1:]] for _ in range(2)])
            net = next(words)
            widths = [int(w) for w in net[2:]]
            assert net[0] == "NET" and len(widths) == int(net[1]) + 1
            layers = []
            for width in widths:
                name = next(words)[2]
                rows = [(next(words)[1:], next(words)[1:]) for _ in range(width)]
                weight = np.array([[float(w) for w in row] for row, _ in rows])
                layers.append((name, weight, np.array([float(b[0]) for _, b in rows])))
            self.layers[element] = layers

    def energy(self, element: str, n: Neighbors) -> complex:
        values = []
        for kind, *numbers in self.functions[element]:
            rc, eta, third, fourth = map(float, numbers[:4])
            if kind == "2":
                values.append(radial(n, numbers[4], eta, third, rc))
            else:
                pair = (numbers[4], numbers[5])
                values.append(angular(n, pair, eta, fourth, third, rc, kind == "4"))
        x = (np.array(values) - self.scales[element][0]) / self.scales[element][1]
        for name, weight, bias in self.layers[element]:
            x = activate(name, weight @ x + bias)
        return x[0]
