"""Symmetry functions against their formulas, DScribe, finite differences and symmetry."""

from __future__ import annotations

import math
import subprocess
import sys
from itertools import combinations, product

import numpy as np
import pytest
from builders import build_frame, build_functions, build_potential

from nnpcore.descriptors import (
    G2,
    G4,
    G5,
    DescriptorSet,
    NeighborFinder,
    SymmetryFunctions,
    compute_descriptors,
    warm_up,
)
from nnpcore.descriptors.kernel_tables import build_tables
from nnpcore.descriptors.kernels import fill_descriptors
from nnpcore.errors import Cancelled, DataError, PotentialError, SettingsError
from nnpcore.progress import Progress
from nnpcore.structures.frame import Frame

NUMBERS = {"Si": 14, "O": 8, "H": 1}
SKEWED = np.array([[4.1, 0.0, 0.0], [1.0, 3.5, 0.0], [0.3, -0.8, 4.2]])


def build(symbols: str, positions: object, cell: object = None, pbc: object = False, index: int = 0) -> Frame:
    numbers = np.array([NUMBERS[s] for s in symbols.split()], dtype=np.int32)
    box = np.zeros((3, 3)) if cell is None else np.array(cell, dtype=float)
    place = np.array(positions, dtype=float).reshape(-1, 3)
    return Frame(numbers, place, box, np.broadcast_to(np.array(pbc, dtype=bool), 3).copy(), index=index)


def trio(pbc: object = True, seed: int = 0) -> Frame:
    """Two silicon atoms and an oxygen atom in a skewed cell, smaller than every cutoff below."""
    start = np.array([[0.0, 0.0, 0.0], [1.9, 1.2, 2.0], [2.3, 2.9, 0.4]])
    return build("Si Si O", start + np.random.default_rng(seed).normal(0, 0.1, (3, 3)), SKEWED, pbc)


def cluster(n: int, seed: int = 0) -> Frame:
    """n atoms of three elements in the open, no two closer than 1 Å."""
    rng, places = np.random.default_rng(seed), []
    while len(places) < n:
        candidate = rng.uniform(0, 1.9 * n ** (1 / 3), 3)
        if all(np.linalg.norm(candidate - p) > 1.0 for p in places):
            places.append(candidate)
    return build(" ".join(rng.choice(["Si", "O", "H"], n)), places)


def random_functions(
    seed: int, elements: tuple[str, ...] = ("Si", "O"), *, smooth: bool = False, count: int = 30
) -> SymmetryFunctions:
    """Functions in random order: every kind, several cutoffs, integer, large and broken ζ.

    Below ζ = 2, finite differences are no measure where three atoms stand in a line, as images of an atom do.
    """
    rng = np.random.default_rng(seed)
    zetas = [1, 2, 3, 5, 16, 64, 100, 2.5, 3.3] if smooth else [1, 2, 3, 5, 16, 64, 100, 1.5, 0.7, 3.3]

    def one() -> G2 | G4 | G5:
        cutoff = float(rng.choice([3.1, 4.0, 5.2]))
        if rng.random() < 0.3:
            return G2(str(rng.choice(elements)), float(rng.uniform(0, 2)), float(rng.uniform(0, 3)), cutoff)
        pair = (str(rng.choice(elements)), str(rng.choice(elements)))
        zeta = float(rng.choice(zetas))
        kind = G4 if rng.random() < 0.5 else G5
        return kind(pair, float(rng.choice([0.0, 0.01, 0.1, 0.4])), zeta, float(rng.choice([-1, 1])), cutoff)

    return SymmetryFunctions(
        {e: tuple(dict.fromkeys(one() for _ in range(count - 7 * i))) for i, e in enumerate(elements)}
    )


def images(frame: Frame, i: int, cutoff: float) -> list[tuple[int, np.ndarray]]:
    """All neighbors of atom i by trying every image that could matter: atom and vector."""
    reach = [range(-9, 10) if periodic else (0,) for periodic in frame.pbc]
    found = []
    for j, shift in product(range(frame.n_atoms), product(*reach)):
        vector = frame.positions[j] + np.array(shift) @ frame.cell - frame.positions[i]
        if (j != i or any(shift)) and np.linalg.norm(vector) < cutoff:
            found.append((j, vector))
    return found


def reference_values(frame: Frame, functions: SymmetryFunctions) -> np.ndarray:
    """The formulas as they stand in the literature, term by term."""

    def fc(r: float, cutoff: float) -> float:
        return 0.5 * (math.cos(math.pi * r / cutoff) + 1.0) if r < cutoff else 0.0

    symbols = {number: symbol for symbol, number in NUMBERS.items()}
    result = np.zeros((frame.n_atoms, functions.n_descriptors))
    for i in range(frame.n_atoms):
        near = [(symbols[frame.numbers[j]], v) for j, v in images(frame, i, functions.cutoff)]
        for column, f in enumerate(functions.functions[symbols[frame.numbers[i]]]):
            if isinstance(f, G2):
                for r in (float(np.linalg.norm(v)) for s, v in near if s == f.element):
                    result[i, column] += math.exp(-f.eta * (r - f.r_s) ** 2) * fc(r, f.cutoff)
                continue
            for (sj, vj), (sk, vk) in combinations(near, 2):
                if sorted((sj, sk)) != sorted(f.elements):
                    continue
                rj, rk, rjk = (float(np.linalg.norm(v)) for v in (vj, vk, vj - vk))
                base = max(0.0, 1.0 + f.lambda_ * float(vj @ vk) / (rj * rk))
                term = 2.0 ** (1.0 - f.zeta) * base**f.zeta * fc(rj, f.cutoff) * fc(rk, f.cutoff)
                square = rj * rj + rk * rk
                if isinstance(f, G4):
                    term, square = term * fc(rjk, f.cutoff), square + rjk * rjk
                result[i, column] += term * math.exp(-f.eta * square)
    return result


def gradients(stored: DescriptorSet) -> np.ndarray:
    """dG_i/dr_a of all atoms i, a, from the pairs; (n, n, 3, n_descriptors)."""
    assert stored.derivatives is not None
    result = np.zeros((stored.n_atoms, stored.n_atoms, 3, stored.functions.n_descriptors))
    center = centers_of_pairs(stored)
    np.add.at(result, (center, stored.pair_neighbor), stored.derivatives)
    np.add.at(result, (center, center), -stored.derivatives)
    return result


def centers_of_pairs(stored: DescriptorSet) -> np.ndarray:
    return np.repeat(np.arange(stored.n_atoms), np.diff(stored.pair_start))


def moved(frame: Frame, positions: np.ndarray, cell: np.ndarray | None = None) -> Frame:
    return Frame(frame.numbers, positions, frame.cell if cell is None else cell, frame.pbc)


FRAMES = {
    "periodic": trio(),
    "slab": trio((True, False, True)),
    "wire": trio((False, True, False)),
    "open": trio(False),
    "one atom in a small cell": build(
        "Si", [0.1, 0.2, 0.3], [[2.2, 0, 0], [0.4, 2.4, 0], [0, 0.3, 2.1]], True
    ),
    "cluster": cluster(12),
}


@pytest.mark.parametrize("name", FRAMES)
def test_values_follow_the_formulas(name: str, device: str) -> None:
    elements = ("Si", "O", "H") if name == "cluster" else ("Si", "O")
    for seed in (1, 2):
        functions = random_functions(seed, elements)
        found = compute_descriptors([FRAMES[name]], functions, device=device).values
        wanted = reference_values(FRAMES[name], functions)
        np.testing.assert_allclose(found, wanted, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("symbols", ["Si", "Si O"])
@pytest.mark.parametrize("periodic", [True, False])
def test_agrees_with_dscribe(symbols: str, periodic: bool) -> None:
    from ase import Atoms
    from ase.build import bulk
    from dscribe.descriptors import ACSF

    atoms: Atoms = bulk("Si", cubic=True)
    atoms.rattle(0.2, seed=3)
    atoms.pbc = periodic
    if symbols != "Si":
        atoms.numbers[::3] = 8
    elements = symbols.split()
    functions = SymmetryFunctions.preset("26", elements)
    one = SymmetryFunctions.preset("26", ["Si"]).functions["Si"]
    acsf = ACSF(
        r_cut=6.0,
        g2_params=[[f.eta, f.r_s] for f in one if isinstance(f, G2)],
        g4_params=[[f.eta, f.zeta, f.lambda_] for f in one if isinstance(f, G4)],
        species=elements,
        periodic=periodic,
    )
    theirs = acsf.create(atoms)
    ours = compute_descriptors([Frame.from_atoms(atoms)], functions, derivatives=False).values
    # theirs: per element, by atomic number, G1 and the G2s; then per pair of elements the G4s
    n = len(functions.elements)
    theirs = np.delete(theirs, [9 * k for k in range(n)], axis=1)
    np.testing.assert_allclose(ours, theirs, atol=5e-11)


@pytest.mark.parametrize("name", FRAMES)
def test_derivatives_match_finite_differences(name: str, device: str) -> None:
    frame, step = FRAMES[name], 1e-5
    functions = random_functions(3, ("Si", "O", "H") if name == "cluster" else ("Si", "O"), smooth=True)

    def values(changed: Frame) -> np.ndarray:
        return compute_descriptors([changed], functions, derivatives=False, device=device).values

    stored = compute_descriptors([frame], functions, dtype=np.float64, device=device)
    assert stored.derivatives is not None
    analytic = gradients(stored)
    for a, axis in product(range(frame.n_atoms), range(3)):
        shift = np.zeros_like(frame.positions)
        shift[a, axis] = step
        up, down = (
            values(moved(frame, frame.positions + shift)),
            values(moved(frame, frame.positions - shift)),
        )
        np.testing.assert_allclose((up - down) / (2 * step), analytic[:, a, axis], atol=2e-8)
    strained = np.zeros((frame.n_atoms, 3, 3, functions.n_descriptors))
    products = stored.pair_vector[:, :, None, None] * stored.derivatives[:, None]
    np.add.at(strained, centers_of_pairs(stored), products)
    for x, y in product(range(3), range(3)):
        pull = np.zeros((3, 3))
        pull[x, y] = step
        up = values(moved(frame, frame.positions @ (np.eye(3) + pull), frame.cell @ (np.eye(3) + pull)))
        down = values(moved(frame, frame.positions @ (np.eye(3) - pull), frame.cell @ (np.eye(3) - pull)))
        np.testing.assert_allclose((up - down) / (2 * step), strained[:, x, y], atol=1e-7)


def test_torch_agrees_with_the_kernels() -> None:
    frames = [*FRAMES.values(), cluster(20, seed=5), build("O", [0, 0, 0])]
    for functions in (
        random_functions(4, ("Si", "O", "H")),
        SymmetryFunctions.preset("26", ["Si", "O", "H"]),
    ):
        cpu = compute_descriptors(frames, functions, dtype=np.float64)
        torch = compute_descriptors(frames, functions, dtype=np.float64, device="torch-cpu")
        np.testing.assert_allclose(torch.values, cpu.values, rtol=1e-11, atol=1e-12)
        np.testing.assert_allclose(torch.derivatives, cpu.derivatives, rtol=1e-9, atol=1e-11)


def test_torch_splits_the_work_when_memory_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    from nnpcore.descriptors import torch_backend

    functions, frames = random_functions(6), [trio(seed=s) for s in range(4)]
    whole = compute_descriptors(frames, functions, device="torch-cpu")
    monkeypatch.setattr(torch_backend, "_CPU_MEMORY", 1)
    parts = compute_descriptors(frames, functions, device="torch-cpu")
    np.testing.assert_allclose(parts.values, whole.values, rtol=1e-13)
    np.testing.assert_allclose(parts.derivatives, whole.derivatives, rtol=1e-6, atol=1e-9)


def test_rotation_translation_and_order_do_not_matter(device: str) -> None:
    functions, frame = random_functions(7), trio()
    rng = np.random.default_rng(0)
    rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    order = np.array([2, 0, 1])
    far = frame.positions + np.array([[3, -2, 5], [0, 0, 0], [-7, 1, 1]]) @ frame.cell
    changed = [
        moved(frame, frame.positions @ rotation, frame.cell @ rotation),
        moved(frame, frame.positions + np.array([11.3, -20.1, 4.4])),
        moved(frame, far),
        Frame(frame.numbers[order], frame.positions[order], frame.cell, frame.pbc),
    ]
    wanted = compute_descriptors([frame], functions, dtype=np.float64, device=device)
    found = compute_descriptors(changed, functions, dtype=np.float64, device=device)
    for k, rows in enumerate([slice(None), slice(None), slice(None), order]):
        np.testing.assert_allclose(found.select(k, k + 1).values, wanted.values[rows], rtol=1e-11, atol=1e-13)
    turned = gradients(found.select(0, 1))
    np.testing.assert_allclose(
        turned, np.einsum("iaxf,xy->iayf", gradients(wanted), rotation), rtol=1e-9, atol=1e-11
    )


def test_supercells_have_the_descriptors_of_their_primitive_cell(device: str) -> None:
    from ase.build import bulk, make_supercell

    functions = SymmetryFunctions.preset("26", ["Si"])
    small = bulk("Si")
    small.positions[1] += 0.1
    large = make_supercell(small, [[2, 1, 0], [0, 3, 0], [0, 1, 2]])
    frames = [Frame.from_atoms(a) for a in (small, large)]
    found = compute_descriptors(frames, functions, derivatives=False, device=device)
    kinds = np.concatenate([found.values[:2]] * 12)
    np.testing.assert_allclose(np.sort(found.values[2:], axis=0), np.sort(kinds, axis=0), rtol=1e-12)


def test_isolated_atoms_and_empty_sets(device: str) -> None:
    functions = random_functions(8)
    lonely = build("Si O", [[0, 0, 0], [50, 0, 0]])
    found = compute_descriptors([lonely, trio()], functions, device=device)
    assert found.pair_start[:3].tolist() == [0, 0, 0]
    assert not found.values[:2].any()
    assert found.values[2:].any()
    nothing = Frame(np.zeros(0, dtype=np.int32), np.zeros((0, 3)), np.eye(3), np.ones(3, dtype=bool))
    assert compute_descriptors([nothing, lonely], functions, device=device).frame_start.tolist() == [0, 0, 2]
    empty = compute_descriptors([], functions, device=device)
    assert (empty.n_frames, empty.n_atoms, len(empty.pair_neighbor)) == (0, 0, 0)


@pytest.mark.parametrize("kind", ["pair", "far side of a triplet"])
def test_values_and_derivatives_are_continuous_at_the_cutoff(kind: str, device: str) -> None:
    cutoff = 4.0
    functions = SymmetryFunctions(
        {
            "Si": (
                G2("Si", 0.01, 0.0, cutoff),
                G4(("Si", "Si"), 0.01, 1.0, 1.0, cutoff),
                G5(("Si", "Si"), 0.01, 2.0, -1.0, cutoff),
            )
        }
    )

    def at(distance: float) -> DescriptorSet:
        third = [0.0, 2.0, 0.0] if kind == "pair" else [-2.0, 0.3, 0.0]
        x = distance if kind == "pair" else math.sqrt(distance**2 - 0.09) - 2.0
        frame = build("Si Si Si", [[0, 0, 0], [x, 0, 0], third])
        return compute_descriptors([frame], functions, dtype=np.float64, device=device)

    inside, outside = at(cutoff - 1e-5), at(cutoff + 1e-5)
    np.testing.assert_allclose(inside.values, outside.values, atol=1e-4)
    np.testing.assert_allclose(gradients(inside), gradients(outside), atol=1e-4)
    assert len(inside.pair_neighbor) == len(outside.pair_neighbor) + 2


def test_straight_chains_have_finite_derivatives_for_every_zeta(device: str) -> None:
    zetas = (0.3, 0.5, 1.0, 1.5, 2.0)
    members = tuple(G5(("Si", "Si"), 0.01, zeta, lambda_, 5.0) for zeta in zetas for lambda_ in (-1, 1))
    chain = build("Si Si Si", [[0, 0, 0], [1.1, 2.2, 0.7], [2.2, 4.4, 1.4]])
    found = compute_descriptors([chain], SymmetryFunctions({"Si": members}), device=device)
    assert np.isfinite(found.values).all()
    assert np.isfinite(found.derivatives).all()


def test_result_does_not_depend_on_threads_or_company() -> None:
    functions = random_functions(9, ("Si", "O", "H"))
    frames = [*FRAMES.values(), *(cluster(n, seed=n) for n in range(2, 30))]
    one = compute_descriptors(frames, functions, n_threads=1)
    three = compute_descriptors(frames, functions, n_threads=3)
    for name in (
        "frame_start",
        "species",
        "values",
        "pair_start",
        "pair_neighbor",
        "pair_vector",
        "derivatives",
    ):
        assert np.array_equal(getattr(one, name), getattr(three, name)), name
    alone = compute_descriptors([frames[20]], functions, dtype=np.float64)
    company = one.select(20, 21)
    assert np.array_equal(alone.values, company.values)
    assert np.array_equal(alone.derivatives.astype(np.float32), company.derivatives)
    bare = compute_descriptors(frames, functions, derivatives=False, n_threads=2)
    assert np.array_equal(bare.values, one.values)
    assert bare.derivatives is None


def test_ranges_of_a_large_structure_equal_the_whole() -> None:
    functions, frame = random_functions(10, ("Si", "O", "H")), cluster(70, seed=1)
    whole = compute_descriptors([frame], functions, dtype=np.float64)
    finder, n_d = NeighborFinder(frame, functions.cutoff), functions.n_descriptors
    for first in range(0, 70, 16):
        stop = min(first + 16, 70)
        pairs = finder.pairs(first, stop)
        window = slice(*whole.pair_start[[first, stop]])
        values, derivatives = np.empty((stop - first, n_d)), np.empty((len(pairs.neighbor), 3, n_d))
        around = whole.species[pairs.neighbor], pairs.vector
        own = whole.species[first:stop]
        fill_descriptors(build_tables(functions), own, pairs.start, *around, values, derivatives)
        assert np.array_equal(values, whole.values[first:stop])
        assert np.array_equal(pairs.neighbor, whole.pair_neighbor[window])
        assert np.array_equal(pairs.vector, whole.pair_vector[window])
        assert np.array_equal(derivatives, whole.derivatives[window])
        assert np.array_equal(np.diff(pairs.start), np.diff(whole.pair_start[first : stop + 1]))


def test_select_takes_consecutive_frames() -> None:
    functions, frames = random_functions(11), [trio(), trio(False, 1), trio(seed=2), trio((1, 0, 1), 3)]
    whole = compute_descriptors(frames, functions)
    for first, stop in ((1, 3), (3, 4), (0, 4), (2, 2)):
        wanted = compute_descriptors(frames[first:stop], functions)
        found = whole.select(first, stop)
        for name in ("frame_start", "species", "values", "pair_start", "pair_neighbor", "derivatives"):
            assert np.array_equal(getattr(found, name), getattr(wanted, name)), (first, stop, name)
        assert found.frames_of_atoms.tolist() == [k for k in range(stop - first) for _ in range(3)]
    assert np.shares_memory(whole.select(1, 3).derivatives, whole.derivatives)
    with pytest.raises(IndexError):
        whole.select(4, 5)


def test_cancelling_stops_the_work(device: str) -> None:
    progress = Progress(lambda fraction, text: progress.cancel())
    with pytest.raises(Cancelled):
        compute_descriptors([trio()] * 50, random_functions(12), device=device, progress=progress)


def test_unknown_element_is_named_with_the_known_ones() -> None:
    functions = SymmetryFunctions.preset("26", ["Si"])
    with pytest.raises(PotentialError, match=r"frame 1: the structure contains O, .* know only Si"):
        compute_descriptors([build("Si", [0, 0, 0]), build("O", [0, 0, 0])], functions)


def test_two_atoms_on_one_spot_are_named() -> None:
    functions = SymmetryFunctions.preset("26", ["Si"])
    bad = build("Si Si Si", [[0, 0, 0], [1, 2, 3], [4.3, 2, 3]], np.diag([3.3, 9, 9]), True)
    with pytest.raises(DataError, match=r"frame 2: two atoms are on one spot: atoms 1 and 2"):
        compute_descriptors([build("Si", [0, 0, 0])] * 2 + [bad], functions)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: G2("Si", -1.0, 0.0, 6.0), "eta must be zero or positive"),
        (lambda: G2("Si", math.nan, 0.0, 6.0), "eta must be a finite number"),
        (lambda: G2("Si", 1.0, 0.0, 0.0), "cutoff must be positive"),
        (lambda: G2("Si", 1.0, -1.0, 6.0), "r_s must be zero or positive"),
        (lambda: G2("Xx", 1.0, 0.0, 6.0), "'Xx' is not a chemical element"),
        (lambda: G4(("Si", "Si"), 1.0, 0.0, 1.0, 6.0), "zeta must be positive"),
        (lambda: G4(("Si", "Si"), 1.0, 1.0, 0.5, 6.0), "lambda must be"),
        (lambda: G5(("Si",), 1.0, 1.0, 1.0, 6.0), "two neighbor elements"),  # type: ignore[arg-type]
        (lambda: SymmetryFunctions({}), "no symmetry function is defined"),
        (lambda: SymmetryFunctions({"Si": (G2("O", 1.0, 0.0, 6.0),)}), "mentions O"),
        (lambda: SymmetryFunctions({"Si": (G2("Si", 1.0, 0.0, 6.0),) * 2}), "listed twice"),
        (lambda: SymmetryFunctions.preset("27", ["Si"]), "no symmetry-function preset '27'"),
        (lambda: SymmetryFunctions.from_dict({"Si": [{"type": "G3"}]}), "entry 1: unknown type 'G3'"),
        (
            lambda: SymmetryFunctions.from_dict({"Si": [{"type": "G2", "eta": 1}]}),
            "needs exactly element, eta",
        ),
        (lambda: SymmetryFunctions.from_dict({"Si": 3}), "expected a list of functions"),
        (lambda: compute_descriptors([trio()], random_functions(0), dtype=np.int32), "float32 or float64"),
        (lambda: compute_descriptors([trio()], random_functions(0), n_threads=0), "at least 1"),
        (lambda: compute_descriptors([trio()], random_functions(0), device="gpu"), "device 'gpu'"),
    ],
)
def test_wrong_settings_are_refused(make: object, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        make()  # type: ignore[operator]


def test_kernels_refuse_arrays_they_would_misread() -> None:

    functions = random_functions(0)
    whole = compute_descriptors([trio()], functions, dtype=np.float64)
    tables, neighbors = build_tables(functions), whole.species[whole.pair_neighbor]
    good = [whole.species, whole.pair_start, neighbors, whole.pair_vector, whole.values, whole.derivatives]
    fill_descriptors(tables, *good)
    for place, bad in enumerate(
        [neighbors, good[1][:-1], neighbors.astype(np.int64), good[3].T, good[4][:, :-1]]
    ):
        arrays = [*good[:place], bad, *good[place + 1 :]]
        with pytest.raises(ValueError, match="not contiguous"):
            fill_descriptors(tables, *arrays)


def test_preset_and_plain_data() -> None:
    functions = SymmetryFunctions.preset("26", ["Si", "O"], cutoff=5.5)
    assert functions.elements == ("O", "Si")
    assert (functions.count("Si"), functions.n_descriptors, functions.cutoff) == (70, 70, 5.5)
    assert SymmetryFunctions.preset("26", ["Si"]).count("Si") == 26
    assert SymmetryFunctions.from_dict(functions.to_dict()) == functions
    assert G4(("Si", "O"), 1.0, 1.0, 1.0, 6.0) == G4(("O", "Si"), 1.0, 1.0, 1.0, 6.0)
    assert functions.species_index(np.array([14, 8, 14])).tolist() == [1, 0, 1]


def test_importing_the_room_is_light() -> None:
    warm_up()
    heavy = {"torch", "numba", "scipy", "vesin", "sklearn", "matplotlib"}
    code = f"import sys, nnpcore.descriptors; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_kind_declares_what_the_rest_needs() -> None:
    from nnpcore.descriptors.functions import KINDS, all_parameters

    usual = ["η (1/Å²)", "r_s (Å)", "ζ", "λ", "r_low (Å)", "θ_low (°)", "θ_high (°)", "n", "Cutoff (Å)"]
    assert [p.title for p in all_parameters()] == usual
    for name, kind in KINDS.items():
        declared = {kind.neighbors_field, *(p.name for p in kind.parameters), "cutoff", "cutoff_function"} - {
            ""
        }
        assert {*vars(kind)["__match_args__"]} - {"inner_cutoff"} == declared, name


def test_functions_in_other_units_have_the_same_value() -> None:
    bohr = 0.5291772105638411
    pair = ("Si", "Si")
    assert G2("Si", 0.5, 1.0, 6.0).in_unit(bohr) == G2("Si", 0.5 / bohr**2, bohr, 6.0 * bohr)
    assert G4(pair, 0.5, 2.0, -1.0, 6.0).in_unit(bohr) == G4(pair, 0.5 / bohr**2, 2.0, -1.0, 6.0 * bohr)


def test_a_kind_that_another_program_lacks_is_refused() -> None:
    from nnpcore.exchange.plain_networks import check_kinds

    potential = build_potential(build_functions(["Si"]), [build_frame("Si")])
    check_kinds(potential, "n2p2", (G2, G4, G5))
    with pytest.raises(PotentialError, match=r"Si has symmetry functions G5, which n2p2 does not know"):
        check_kinds(potential, "n2p2", (G2, G4))
