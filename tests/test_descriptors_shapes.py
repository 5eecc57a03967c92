"""Cutoff functions, shifted, weighted and compact symmetry functions: formulas, derivatives, both paths."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import combinations

import numpy as np
import pytest
import torch
from test_descriptors import NUMBERS, build, cluster, gradients, images, moved, trio

from nnpcore.descriptors import G2, G4, G5, SymmetryFunction, SymmetryFunctions, compute_descriptors
from nnpcore.descriptors.functions import (
    Angular,
    ChebyshevG2,
    ChebyshevG5,
    CompactG2,
    CompactG4,
    CompactG5,
    Radial,
    WeightedCompactG2,
    WeightedCompactG4,
    WeightedCompactG5,
    WeightedG2,
    WeightedG4,
)
from nnpcore.descriptors.kernel_tables import build_tables
from nnpcore.descriptors.shapes import COMPACT_SHAPES, CUTOFF_FUNCTIONS, WITHOUT_INNER
from nnpcore.errors import SettingsError
from nnpcore.structures.frame import Frame

PAIRS = (("Si", "Si"), ("Si", "O"), ("O", "O"))
RANGES = ((-4.0, 4.0), (1.5, 4.5), (-2.0, 5.0))
ANGLES = ((-90.0, 90.0), (90.0, 270.0), (40.0, 170.0), (-180.0, 180.0))
HUMPS = tuple((*r, *a) for r in RANGES for a in ANGLES)

SHAPES: dict[str, Callable[[float], float]] = {
    "hard": lambda y: 1.0,
    "cosine": lambda y: 0.5 * (math.cos(math.pi * y) + 1.0),
    "tanh3": lambda y: math.tanh(1.0 - y) ** 3,
    "tanh3_one": lambda y: (math.tanh(1.0 - y) / math.tanh(1.0)) ** 3,
    "exponential": lambda y: math.exp(1.0 - 1.0 / (1.0 - y * y)),
    "poly1": lambda y: 2 * y**3 - 3 * y**2 + 1,
    "poly2": lambda y: -6 * y**5 + 15 * y**4 - 10 * y**3 + 1,
    "poly3": lambda y: 20 * y**7 - 70 * y**6 + 84 * y**5 - 35 * y**4 + 1,
    "poly4": lambda y: -70 * y**9 + 315 * y**8 - 540 * y**7 + 420 * y**6 - 126 * y**5 + 1,
}


def shape(name: str, y: float) -> float:
    if y >= 1.0:
        return 0.0
    return SHAPES[name[:-1]](y * (2 - y)) if name.endswith("a") else SHAPES[name](y)


def every_kind() -> Iterator[SymmetryFunction]:
    """All kinds with all their shapes, inner cutoffs, shifts, humps around and beside 0 and 180 degrees."""
    for k, name in enumerate(CUTOFF_FUNCTIONS):
        inner = 0.0 if name in WITHOUT_INNER else 0.3
        for part, shift in ((0.0, 0.7), (inner, 0.0)):
            how = {"cutoff_function": name, "inner_cutoff": part}
            yield G2("Si", 0.3, shift, 4.1, **how)
            yield G4(PAIRS[k % 3], 0.05, 2.0, (-1.0) ** k, 4.1, shift, **how)
            yield G5(PAIRS[(k + 1) % 3], 0.05, 3.0, 1.0, 4.1, shift, **how)
            yield G5(PAIRS[(k + 1) % 3], 0.02, 2.5, 1.0, 4.1, shift, **how)
            yield WeightedG2(0.2, shift, 4.3, **how)
            yield WeightedG4(0.03, 4.0, (-1.0) ** k, 4.3, shift, **how)
    for k, name in enumerate(COMPACT_SHAPES):
        yield CompactG2("O", *RANGES[k % 3], name)
        yield WeightedCompactG2(*RANGES[k % 3], name)
        for kind in (CompactG4, CompactG5):
            yield kind(PAIRS[k % 3], *HUMPS[k % 12], name)
            yield kind(PAIRS[k % 3], *HUMPS[(k + 5) % 12], name)
        for kind in (WeightedCompactG4, WeightedCompactG5):
            yield kind(*HUMPS[(k + 3) % 12], name)
    for n in (0, 1, 2, 5, 10):
        yield ChebyshevG2("OSi"[n % 2 :][: 1 + n % 2], n, 4.4)
        yield ChebyshevG5(PAIRS[n % 3], n, 4.2)


def functions_without(*left_out: str) -> SymmetryFunctions:
    members = tuple(f for f in every_kind() if f.cutoff_function not in left_out)
    return SymmetryFunctions({"O": members[::2], "Si": members})


def term(f: SymmetryFunction, *distances: float) -> float:
    """The product of what the formulas have for distances."""
    product = 1.0
    for r in distances:
        if r >= f.cutoff:
            return 0.0
        if isinstance(f, (ChebyshevG2, ChebyshevG5)):
            order = f.order if isinstance(f, ChebyshevG2) else 0
            product *= shape("cosine", r / f.cutoff) * math.cos(order * math.acos(2 * r / f.cutoff - 1))
        elif isinstance(f, (G2, G4, G5, WeightedG2, WeightedG4)):
            inner = f.inner_cutoff * f.cutoff
            y = max(0.0, (r - inner) / (f.cutoff - inner))
            product *= math.exp(-f.eta * (r - f.r_s) ** 2) * shape(f.cutoff_function, y)
        else:
            low = f.values["low"]
            product *= shape(f.cutoff_function, abs(2 * r - low - f.cutoff) / (f.cutoff - low))
    return product


def angle_term(f: Angular, cosine: float) -> float:
    if isinstance(f, ChebyshevG5):
        return math.cos(f.order * math.acos(min(1.0, max(-1.0, cosine))))
    if isinstance(f, (G4, G5, WeightedG4)):
        return 2.0 ** (1.0 - f.zeta) * max(0.0, 1.0 + f.lambda_ * cosine) ** f.zeta
    low, high = f.values["angle_low"], f.values["angle_high"]
    theta = math.degrees(math.acos(min(1.0, max(-1.0, cosine))))
    return shape(f.cutoff_function.removesuffix("a"), abs(2 * theta - low - high) / (high - low))


def value(f: SymmetryFunction, near: list[tuple[str, np.ndarray]]) -> float:
    total, wanted = 0.0, sorted(f.neighbor_elements)
    if isinstance(f, Radial):
        for s, v in near:
            weight = NUMBERS[s] if not wanted else float(s == wanted[0])
            total += weight * term(f, float(np.linalg.norm(v)))
        return total
    assert isinstance(f, Angular)
    for (sj, vj), (sk, vk) in combinations(near, 2):
        if wanted and sorted((sj, sk)) != wanted:
            continue
        rj, rk = float(np.linalg.norm(vj)), float(np.linalg.norm(vk))
        sides = (rj, rk, float(np.linalg.norm(vj - vk))) if f.narrow else (rj, rk)
        weight = 1 if wanted else NUMBERS[sj] * NUMBERS[sk]
        total += weight * term(f, *sides) * angle_term(f, float(vj @ vk) / (rj * rk))
    return total


def open_frame() -> Frame:
    frame = cluster(14, seed=3)
    numbers = np.where(frame.numbers == 1, 8, frame.numbers).astype(np.int32)
    return Frame(numbers, frame.positions, frame.cell, frame.pbc)


@pytest.mark.parametrize("frame", [trio(), open_frame()], ids=["periodic", "open"])
def test_values_follow_the_formulas(frame: Frame, device: str) -> None:
    functions = functions_without()
    found = compute_descriptors([frame], functions, derivatives=False, device=device)
    symbols = {number: symbol for symbol, number in NUMBERS.items()}
    for i in (0, frame.n_atoms - 1):
        near = [(symbols[frame.numbers[j]], v) for j, v in images(frame, i, functions.cutoff)]
        wanted = [value(f, near) for f in functions.functions[symbols[frame.numbers[i]]]]
        np.testing.assert_allclose(found.values[i, : len(wanted)], wanted, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("frame", [trio(), open_frame()], ids=["periodic", "open"])
def test_derivatives_match_finite_differences(frame: Frame, device: str) -> None:
    """Of fourth order, all but the hard cutoff."""
    functions, step = functions_without("hard"), 2e-4
    found = compute_descriptors([frame], functions, dtype=np.float64, device=device)
    analytic = gradients(found)

    def shifted(amount: float, atom: int, axis: int) -> np.ndarray:
        positions = frame.positions.copy()
        positions[atom, axis] += amount
        own = compute_descriptors([moved(frame, positions)], functions, derivatives=False, device=device)
        return own.values

    scale = 1.0 + np.abs(analytic).max(axis=(0, 1, 2))
    for atom in (0, 2):
        for axis in range(3):
            near = shifted(step, atom, axis) - shifted(-step, atom, axis)
            far = shifted(2 * step, atom, axis) - shifted(-2 * step, atom, axis)
            numeric = (8 * near - far) / (12 * step)
            error = np.abs(analytic[:, atom, axis] - numeric) / scale
            assert error.max() < 1e-6


def test_torch_agrees_with_the_kernels() -> None:
    frames, functions = [trio(), open_frame()], functions_without()
    a = compute_descriptors(frames, functions, dtype=np.float64)
    b = compute_descriptors(frames, functions, dtype=np.float64, device="torch-cpu")
    np.testing.assert_allclose(a.values, b.values, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(a.derivatives, b.derivatives, rtol=1e-9, atol=1e-8)


def test_atoms_in_a_line_have_finite_derivatives(device: str) -> None:
    chain = build("Si O Si", [[0, 0, 0], [1.1, 0.7, 0.0], [2.2, 1.4, 0.0]])
    found = compute_descriptors([chain], functions_without(), dtype=np.float64, device=device)
    assert np.isfinite(found.values).all() and np.isfinite(found.derivatives).all()


def test_slopes_of_torch_shapes_are_those_of_autograd() -> None:
    from nnpcore.descriptors.torch_shapes import shape_of

    for name in (*CUTOFF_FUNCTIONS, *COMPACT_SHAPES, "chebyshev0", "chebyshev7", "wave0", "wave4"):
        y = torch.linspace(0.0, 0.99, 34, dtype=torch.float64, requires_grad=True)
        f, slope = shape_of(name, y)
        if name != "hard":
            (wanted,) = torch.autograd.grad(f.sum(), y)
            assert torch.allclose(slope, wanted, rtol=1e-10, atol=1e-12), name


def test_plain_functions_stay_on_the_fast_way() -> None:
    plain = SymmetryFunctions.preset("26", ["Si", "O"])
    tables = build_tables(plain)
    assert not tables.channel_kind.any() and (tables.eta_row == -1).all()
    other = SymmetryFunctions({"Si": (G4(("Si", "Si"), 0.1, 1.0, 1.0, 5.0, cutoff_function="poly2"),)})
    assert build_tables(other).channel_kind.tolist() == [1] and build_tables(other).eta_row.tolist() == [0]


def test_plain_data_keeps_what_is_set_and_leaves_out_what_is_usual() -> None:
    functions = functions_without()
    assert SymmetryFunctions.from_dict(functions.to_dict()) == functions
    usual = SymmetryFunctions({"Si": (G4(("Si", "Si"), 0.1, 1.0, 1.0, 5.0),)}).to_dict()["Si"][0]
    assert list(usual) == ["type", "elements", "eta", "zeta", "lambda_", "cutoff"]
    bohr = CompactG5(("Si", "O"), -4.0, 6.0, 0.0, 180.0, "poly3a").in_unit(0.5)
    assert bohr == CompactG5(("Si", "O"), -2.0, 3.0, 0.0, 180.0, "poly3a")


WRONG = [
    (lambda: G2("Si", 0.1, 0.0, 5.0, cutoff_function="poly2a"), "there is no cutoff function 'poly2a'"),
    (lambda: G2("Si", 0.1, 0.0, 5.0, inner_cutoff=1.0), "from 0 to below 1"),
    (lambda: G2("Si", 0.1, 0.0, 5.0, "tanh3", 0.2), "tanh3 has no inner cutoff"),
    (lambda: CompactG2("Si", 5.0, 5.0), "low must be below the cutoff"),
    (lambda: CompactG5(("Si", "Si"), -5.0, 5.0, -10.0, 90.0), "neither within 0 and 180"),
    (lambda: CompactG2("Si", -5.0, 5.0, "cosine"), "there is no cutoff function 'cosine'"),
    (lambda: ChebyshevG2("Si", 41, 5.0), "whole number from 0 to 40"),
    (lambda: ChebyshevG5(("Si", "Si"), 1.5, 5.0), "whole number from 0 to 40"),
]


@pytest.mark.parametrize(("make", "message"), WRONG)
def test_contradictions_are_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        make()


def test_the_table_keeps_every_function() -> None:
    """Rows of the window's table are read back as they were, whatever stands behind the cutoff."""
    from app.widgets.function_table import _entry, _texts

    for element, entries in functions_without().to_dict().items():
        for entry in entries:
            again = SymmetryFunctions.from_dict(
                {"O": [], "Si": [], element: [_entry(0, _texts(element, entry))]}
            )
            assert again == SymmetryFunctions.from_dict({"O": [], "Si": [], element: [entry]})


def test_a_polynomial_that_is_zero_at_a_neighbor_keeps_its_slope(device: str) -> None:
    """T_1(2r/r_c - 1) at r = r_c/2."""
    pair = build("Si Si", [[0, 0, 0], [3.0, 0.0, 0.0]])
    functions = SymmetryFunctions({"Si": (ChebyshevG2("Si", 1, 6.0),)})
    found = compute_descriptors([pair], functions, dtype=np.float64, device=device)
    assert abs(found.values[0, 0]) < 1e-15
    np.testing.assert_allclose(gradients(found)[0, 1, 0, 0], 1 / 6.0, rtol=1e-12)
