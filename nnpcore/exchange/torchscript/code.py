"""The code of the exported module: plain torch in the words TorchScript understands.

No ``from __future__ import annotations`` here: TorchScript reads the annotations.
"""

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from nnpcore.descriptors.functions import G2, G4, G5

if TYPE_CHECKING:
    from nnpcore.potential import Potential

KINDS = (G2, G4, G5)
"""The symmetry functions that the module computes."""

_CODES: dict[str, int] = {
    "identity": 0,
    "tanh": 1,
    "sigmoid": 2,
    "softplus": 3,
    "relu": 4,
    "gaussian": 5,
    "cosine": 6,
    "reversed_sigmoid": 7,
    "exponential": 8,
    "harmonic": 9,
    "selu": 10,
    "swish": 11,
}


def _activate(z: Tensor, code: int) -> Tensor:
    if code == 1:
        return torch.tanh(z)
    if code == 2:
        return torch.sigmoid(z)
    if code == 3:
        return torch.relu(z) + torch.log1p(torch.exp(-torch.abs(z)))
    if code == 4:
        return torch.relu(z)
    if code == 5:
        return torch.exp(-0.5 * z * z)
    if code == 6:
        return torch.cos(z)
    if code == 7:
        return 1.0 - torch.sigmoid(z)
    if code == 8:
        return torch.exp(-z)
    if code == 9:
        return z * z
    if code == 10:
        return torch.selu(z)
    if code == 11:
        return z * torch.sigmoid(z)
    return z


def _cutoff(r: Tensor, radius: Tensor) -> Tensor:
    """``(cos(πr/rc) + 1) / 2`` within the radius; ``r`` (..., 1) against (n_functions,)."""
    return 0.5 * (torch.cos(math.pi * torch.clamp(r / radius, max=1.0)) + 1.0)


class _Layer(nn.Module):
    """``f(h @ weight + bias)`` of all members: weight (M, n_in, n_out), bias (M, 1, n_out)."""

    weight: Tensor
    bias: Tensor
    code: int

    def __init__(self, weight: np.ndarray, bias: np.ndarray, activation: str) -> None:
        super().__init__()
        self.register_buffer("weight", torch.tensor(weight))
        self.register_buffer("bias", torch.tensor(bias[:, None, :]))
        self.code = _CODES[activation]

    def forward(self, h: Tensor) -> Tensor:
        return _activate(torch.matmul(h, self.weight) + self.bias, self.code)


class _Element(nn.Module):
    """Descriptors and networks of atoms of one element."""

    kind: Tensor
    eta: Tensor
    shift: Tensor
    radius: Tensor
    first: Tensor
    second: Tensor
    zeta: Tensor
    sign: Tensor
    side: Tensor
    width: Tensor
    reach: Tensor
    column: Tensor
    mean: Tensor
    matrix: Tensor
    skip: Tensor
    pull: Tensor
    centers: Tensor
    heights: Tensor
    close: Tensor
    crowd: Tensor
    start: float
    rise: float
    slope: float
    length: float
    energy: float
    n_angular: int

    def __init__(self, potential: "Potential", e: int) -> None:
        super().__init__()
        element = potential.elements[e]
        functions = potential.functions.functions[element]
        place = {symbol: k for k, symbol in enumerate(potential.elements)}
        radial = [f for f in functions if isinstance(f, G2)]
        angular = [f for f in functions if isinstance(f, G4 | G5)]
        self.n_angular = len(angular)
        self._keep("kind", [place[f.element] for f in radial], torch.int64)
        self._keep("eta", [f.eta for f in radial])
        self._keep("shift", [f.r_s for f in radial])
        self._keep("radius", [f.cutoff for f in radial])
        self._keep("first", [place[f.elements[0]] for f in angular], torch.int64)
        self._keep("second", [place[f.elements[1]] for f in angular], torch.int64)
        self._keep("zeta", [f.zeta for f in angular])
        self._keep("sign", [f.lambda_ for f in angular])
        self._keep("side", [float(f.narrow) for f in angular])
        self._keep("width", [f.eta for f in angular])
        self._keep("reach", [f.cutoff for f in angular])
        order = [functions.index(f) for f in (*radial, *angular)]
        self._keep("column", list(np.argsort(order)), torch.int64)
        n_f, whitening, weights = len(functions), potential.whitening, potential.weights
        self._keep("mean", whitening.mean[e, :n_f])
        self._keep("matrix", whitening.matrix[e, :n_f])
        nothing = np.zeros((weights.n_members, weights.n_inputs))
        self._keep("skip", nothing if weights.skip is None else weights.skip[element])
        self._keep_baseline(potential, element)
        below = potential.short_range
        self._keep("close", [] if below is None else below.numbers_of(element, potential.elements))
        self._keep_crowding(potential, element)
        names = weights.activation_names(element)
        self.layers = nn.ModuleList(
            [_Layer(w, b, name) for (w, b), name in zip(weights.layers[element], names, strict=True)]
        )

    def _keep_baseline(self, potential: "Potential", element: str) -> None:
        """Quadratic terms or a kernel under the networks; no columns and no centers where there are none."""
        part = potential.nonlinear_baseline
        own = {} if part is None else part.arrays[element]
        n = potential.weights.n_inputs
        self.energy = float(potential.element_energies[element]) + float(own.get("offset", 0.0))
        self._keep("pull", own.get("matrix", np.zeros((0, 0))))
        self._keep("centers", own.get("centers", np.zeros((0, n))))
        self._keep("heights", own.get("weights", np.zeros(0)))
        self.length = float(own.get("length", 1.0))

    def _keep_crowding(self, potential: "Potential", element: str) -> None:
        """What lifts crowded atoms; no reaches where nothing does."""
        below = potential.short_range
        own = [one for one in (() if below is None else below.crowding) if one.element == element]
        reaches = dict(own[0].reaches) if own else {}
        self._keep("crowd", [reaches.get(other, 1e-9) for other in potential.elements] if own else [])
        self.start, self.rise, self.slope = (
            (own[0].start, own[0].width, own[0].slope) if own else (1.0, 1.0, 0.0)
        )

    def _keep(self, name: str, values: object, dtype: torch.dtype = torch.float64) -> None:
        self.register_buffer(name, torch.tensor(np.asarray(values), dtype=dtype))

    def forward(self, vector: Tensor, species: Tensor) -> Tensor:
        """Atomic energies (n_members, C), eV, from vectors to neighbors (C, N, 3) and their species or -1."""
        r = torch.sqrt((vector * vector).sum(-1))
        values = [self.radial(r, species)]
        if self.n_angular > 0:
            values.append(self.angular(vector, r, species))
        g = torch.cat(values, 1)[:, self.column]
        x = torch.matmul(g - self.mean, self.matrix)
        h = x[None].expand(self.skip.shape[0], -1, -1)
        for layer in self.layers:
            h = layer(h)
        below = self.baseline(x) + self.energy
        if self.close.shape[0] > 0:
            below = below + self.short_range(r, species)
        if self.crowd.shape[0] > 0:
            below = below + self.crowding(r, species)
        return h[:, :, 0] + torch.matmul(self.skip, x.transpose(0, 1)) + below

    def short_range(self, r: Tensor, species: Tensor) -> Tensor:
        """Half of the repulsion of nuclei by all neighbors (C,), eV, where these are close."""
        own = self.close[torch.clamp(species, min=0)]
        total = own[:, :, 4]
        for k in range(4):
            total = total + own[:, :, 5 + k] * torch.exp(-own[:, :, 9 + k] * r) / r
        t = torch.clamp(r - own[:, :, 0], min=0.0)
        total = total + t * t * t * (own[:, :, 2] / 3.0 + own[:, :, 3] * t / 4.0)
        real = (species >= 0) & (r < own[:, :, 1])
        return 0.5 * torch.where(real, total, torch.zeros_like(total)).sum(1)

    def crowding(self, r: Tensor, species: Tensor) -> Tensor:
        """The energy (C,), eV, of atoms that are crowded."""
        reach = torch.where(species >= 0, self.crowd[torch.clamp(species, min=0)], 1e-9)
        rho = (torch.clamp(1.0 - (r / reach) ** 2, min=0.0) ** 5).sum(1)
        t = torch.clamp((rho - self.start) / self.rise, min=0.0)
        low = torch.clamp(t, max=1.0)
        bent = low**4 * (2.5 + low * (low - 3.0))
        return self.slope * self.rise * (bent + torch.clamp(t - 1.0, min=0.0))

    def baseline(self, x: Tensor) -> Tensor:
        """Quadratic terms and kernel (C,), eV."""
        y = x[:, : self.pull.shape[0]]
        squares = (x * x).sum(1)[:, None] + (self.centers * self.centers).sum(1)
        squares = squares - 2.0 * torch.matmul(x, self.centers.transpose(0, 1))
        near = torch.exp(-0.5 * squares / (self.length * self.length))
        return 0.5 * (torch.matmul(y, self.pull) * y).sum(1) + torch.matmul(near, self.heights)

    def radial(self, r: Tensor, species: Tensor) -> Tensor:
        """Radial functions (C, n_radial)."""
        d = r[:, :, None]
        terms = torch.exp(-self.eta * (d - self.shift) ** 2) * _cutoff(d, self.radius)
        return (terms * (species[:, :, None] == self.kind)).sum(1)

    def angular(self, vector: Tensor, r: Tensor, species: Tensor) -> Tensor:
        """Angular functions (C, n_angular), over pairs of neighbors j < k."""
        n = vector.shape[1]
        pairs = torch.triu_indices(n, n, 1, device=vector.device)
        j, k = pairs[0], pairs[1]
        a, b = vector[:, j], vector[:, k]
        ra, rb = r[:, j][:, :, None], r[:, k][:, :, None]
        rc = torch.sqrt(((b - a) ** 2).sum(-1))[:, :, None]
        cosine = (a * b).sum(-1)[:, :, None] / (ra * rb)
        terms = torch.clamp(1.0 + self.sign * cosine, min=0.0) ** self.zeta
        terms = terms * torch.exp(-self.width * (ra**2 + rb**2 + self.side * rc**2))
        terms = terms * _cutoff(ra, self.reach) * _cutoff(rb, self.reach)
        terms = terms * (self.side * _cutoff(rc, self.reach) + (1.0 - self.side))
        sa, sb = species[:, j][:, :, None], species[:, k][:, :, None]
        fits = ((sa == self.first) & (sb == self.second)) | ((sa == self.second) & (sb == self.first))
        return (terms * fits).sum(1) * 2.0 ** (1.0 - self.zeta)


class _Module(nn.Module):
    """What is exported; see the README written beside it."""

    cutoff: float
    n_members: int
    n_angular: int

    def __init__(self, potential: "Potential") -> None:
        super().__init__()
        self.elements = nn.ModuleList([_Element(potential, e) for e in range(len(potential.elements))])
        self.cutoff = float(potential.cutoff)
        self.n_members = potential.n_members
        self.n_angular = max(1, max(int(module.n_angular) for module in self.elements))  # type: ignore[arg-type]

    def forward(
        self, species: Tensor, center: Tensor, neighbor: Tensor, vector: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        energies, forces, virials = self.members(species, center, neighbor, vector)
        return (
            energies.mean(0),
            energies.std(0, unbiased=False),
            forces.mean(0),
            forces.std(0, unbiased=False),
            virials.mean(0),
        )

    @torch.jit.export
    def members(
        self, species: Tensor, center: Tensor, neighbor: Tensor, vector: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Energies (n_members, n), forces (n_members, n, 3) and virials (n_members, 3, 3) of every member."""
        n = species.shape[0]
        if center.shape[0] > 1 and bool((center[1:] < center[:-1]).any()):
            raise RuntimeError("the pairs must be sorted by their center")
        counts = torch.bincount(center, minlength=n)
        start = torch.cumsum(counts, 0) - counts
        before = torch.is_grad_enabled()
        torch.set_grad_enabled(True)  # simulation programs often turn it off
        vector = vector.detach()
        energies = vector.new_zeros((self.n_members, n))
        pairs = vector.new_zeros((self.n_members, vector.shape[0], 3))
        for e, module in enumerate(self.elements):
            atoms = torch.nonzero(species == e)[:, 0]
            first = 0
            while first < atoms.shape[0]:
                widest = int(counts[atoms[first:]].max().item())
                size = max(1, _at_once() // (1 + widest * widest * self.n_angular // 2))
                chunk = atoms[first : first + size]
                first += size
                width = int(counts[chunk].max().item())
                place = torch.arange(width, device=vector.device)
                real = place < counts[chunk][:, None]
                index = torch.where(real, start[chunk][:, None] + place, 0)
                far = torch.zeros((width, 3), dtype=vector.dtype, device=vector.device)
                far[:, 0] = 2.0 * self.cutoff + place
                if width > 0:
                    block = torch.where(real[:, :, None], vector[index], far).detach()
                    kinds = torch.where(real, species[neighbor[index]], -1)
                else:
                    block = vector.new_zeros((chunk.shape[0], 0, 3))
                    kinds = torch.zeros((chunk.shape[0], 0), dtype=species.dtype, device=vector.device)
                block.requires_grad_()
                found = module(block, kinds)
                energies[:, chunk] = found.detach()
                for m in range(self.n_members if width > 0 else 0):
                    slopes = torch.autograd.grad([found[m].sum()], [block], retain_graph=True)[0]
                    if slopes is not None:
                        pairs[m, index[real]] = slopes[real]
        torch.set_grad_enabled(before)
        forces = vector.new_zeros((self.n_members, n, 3))
        forces.index_add_(1, center, pairs)
        forces.index_add_(1, neighbor, -pairs)
        virials = torch.matmul(vector.transpose(0, 1)[None], pairs)
        return energies, forces, virials


def _at_once() -> int:
    """Values of (atom, pair of neighbors, function) held at once: bounds the memory to some 200 MB."""
    return 1_500_000


def module_of(potential: "Potential") -> nn.Module:
    """Return the module before it is scripted."""
    return _Module(potential).eval()
