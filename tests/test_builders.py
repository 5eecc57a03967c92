"""Slabs, clusters and their relaxation: counts, bonds, symmetry, surface energies, and bad input."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.neighborlist import neighbor_list

from nnpcore.errors import AnalysisError, Cancelled, EatlasError, SettingsError
from nnpcore.progress import Progress
from nnpcore.reference import (
    SILICON_LATTICE,
    SURFACES,
    StillingerWeber,
    faces_equivalent,
    facet_planes,
    relax,
    slab,
    wulff_cluster,
)

EV_PER_A2 = 16.02176634  # J/m²
BOND = np.sqrt(3.0) / 4.0 * SILICON_LATTICE
SW_BULK = -2 * 2.1683  # eV/atom: two bonds of depth epsilon an atom
SIZES = [(s, n) for s in SURFACES for n in (SURFACES[s].min_layers, 9, 10, 16) if s != "111" or n % 2 == 0]


def bonds(atoms, longest=1.18 * BOND):
    """Bonded neighbors of every atom."""
    first, second = neighbor_list("ij", atoms, longest)
    return [second[first == i] for i in range(len(atoms))]


def surface_energy(atoms):
    """J/m² of a slab that carries its calculator, with the Stillinger-Weber crystal as bulk."""
    area = atoms.cell.lengths()[0] * atoms.cell.lengths()[1]
    return (atoms.get_potential_energy() - len(atoms) * SW_BULK) / (2 * area) * EV_PER_A2


@pytest.fixture(scope="module")
def relaxed():
    return {s: relax(slab(s, n_layers=12), StillingerWeber(), fmax=0.002) for s in SURFACES}


# slabs ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("surface", "n_layers"), SIZES)
def test_slab_has_its_atoms_its_bonds_and_equal_faces(surface, n_layers):
    atoms = slab(surface, n_layers=n_layers, vacuum=11.0)
    per_layer = 2 if surface == "111" else 4
    assert len(atoms) == per_layer * n_layers
    coordination = np.array([len(b) for b in bonds(atoms)])
    per_face = 2 if surface == "111" else 4
    assert (coordination == 3).sum() == 2 * per_face
    assert (coordination == 4).sum() == len(atoms) - 2 * per_face
    heights = atoms.positions[:, 2]
    assert atoms.cell[2, 2] - np.ptp(heights) == pytest.approx(11.0)
    assert faces_equivalent(atoms, 1e-6)
    assert neighbor_list("d", atoms, 4.0).min() > 0.95 * BOND


def test_repeats_and_lattice_scale_the_slab():
    small, large = slab("100", n_layers=8), slab("100", n_layers=8, repeat=(2, 3), lattice=5.0)
    assert len(large) == 6 * len(small)
    assert large.cell.lengths()[:2] == pytest.approx([2 * 5.0 * np.sqrt(2), 3 * 5.0 * np.sqrt(2)])
    assert [len(b) for b in bonds(large, 1.18 * BOND * 5.0 / SILICON_LATTICE)].count(3) == 6 * 8


def test_a_slab_with_one_face_changed_is_not_symmetric():
    atoms = slab("110", n_layers=8)
    atoms.positions[atoms.positions[:, 2].argmax(), 2] += 0.3
    assert not faces_equivalent(atoms)


def test_dimers_pair_the_surface_atoms(relaxed):
    atoms = relaxed["100"]
    top = set(np.flatnonzero(atoms.positions[:, 2] > atoms.positions[:, 2].max() - 0.3).tolist())
    assert len(top) == 4
    partners = [[j for j in bonds(atoms)[i] if j in top] for i in top]
    assert [len(p) for p in partners] == [1, 1, 1, 1]


def test_pandey_chains_run_along_the_surface(relaxed):
    """The surface atoms with a dangling bond are each other's neighbors, as in Pandey's model only."""
    neighbors = bonds(relaxed["111"])
    dangling = {i for i, b in enumerate(neighbors) if len(b) == 3}
    assert len(dangling) == 4
    for atom in dangling:
        assert sum(j in dangling for j in neighbors[atom]) == 2
    cleaved = bonds(slab("111", n_layers=12, reconstructed=False))
    loose = {i for i, b in enumerate(cleaved) if len(b) == 3}
    assert all(j not in loose for i in loose for j in cleaved[i])


@pytest.mark.parametrize("surface", SURFACES)
def test_both_faces_of_a_relaxed_slab_have_the_same_environments(relaxed, surface):
    from nnpcore.descriptors import SymmetryFunctions, compute_descriptors
    from nnpcore.structures.frame import Frame

    atoms = relaxed[surface]
    functions = SymmetryFunctions.preset("26", ["Si"])
    values = compute_descriptors([Frame.from_atoms(atoms)], functions, derivatives=False).values
    depth = atoms.positions[:, 2] - atoms.positions[:, 2].mean()
    upper, lower = values[depth > 0], values[depth < 0]
    distance = np.abs(upper[:, None] - lower[None]).max(axis=2)
    assert distance.min(axis=1).max() < 0.01 * np.ptp(values)
    assert distance.min(axis=0).max() < 0.01 * np.ptp(values)
    assert np.ptp(values, axis=0).max() > 0.1  # bulk and surface differ


@pytest.mark.parametrize(
    ("surface", "broken_bonds", "area"), [("100", 2, 0.5), ("110", 2, 0.5**0.5), ("111", 1, 0.75**0.5 / 2)]
)
def test_cleaved_surfaces_cost_their_broken_bonds(surface, broken_bonds, area):
    """Stillinger-Weber: half of epsilon a broken bond, and no angle is strained."""
    atoms = slab(surface, n_layers=10, reconstructed=False)
    atoms.calc = StillingerWeber()
    expected = broken_bonds * 2.1683 / 2 / (area * SILICON_LATTICE**2) * EV_PER_A2
    assert surface_energy(atoms) == pytest.approx(expected, rel=1e-4)


def test_relaxed_surface_energies_by_stillinger_weber(relaxed):
    """Dimers win 0.8 eV an atom pair; Pandey's chains cost 0.37 eV a surface atom.

    The second is a known fault of the model; the value is Bell Laboratories', by MD with the same potential
    (1987, "Adsorption and desorption at surfaces: dynamics vs. thermodynamics").
    """
    assert surface_energy(relaxed["100"]) == pytest.approx(1.44, abs=0.02)
    assert surface_energy(relaxed["110"]) == pytest.approx(1.666, abs=0.01)
    area = SILICON_LATTICE**2 * 0.75**0.5 / 2
    cleaved = 2.1683 / 2 / area
    assert (surface_energy(relaxed["111"]) / EV_PER_A2 - cleaved) * area == pytest.approx(0.37, abs=0.04)


# clusters ---------------------------------------------------------------------------------------------
def test_the_papers_cluster_has_239_atoms_and_its_facets():
    cluster = wulff_cluster()
    assert len(cluster) == 239 and set(cluster.get_chemical_symbols()) == {"Si"}
    assert 239 in cluster.info["near_sizes"]
    coordination = np.array([len(b) for b in bonds(cluster)])
    assert coordination.min() >= 2 and coordination.max() == 4
    assert (coordination == 4).sum() > 120
    energies = {"100": 1.41, "110": 1.70, "111": 1.44}
    extents = {}
    own = (cluster.positions - cluster.info["wulff_center"]) / SILICON_LATTICE
    for indices, energy in energies.items():
        planes = facet_planes({indices: energy})
        assert len(planes) == {"100": 6, "110": 12, "111": 8}[indices]
        reach = (own @ planes.T).max(axis=0)
        layer = {"100": 0.25, "110": 0.125**0.5, "111": 0.75**0.5 / 2}[indices] / energy
        extents[indices] = (reach.min(), reach.max(), layer)
    scale = max(high for _, high, _ in extents.values())
    assert all(scale - 1.6 * layer < low for low, _, layer in extents.values())


def test_sizes_that_cannot_be_cut_are_replaced_by_the_nearest():
    cluster = wulff_cluster("Si", 240)
    near = cluster.info["near_sizes"]
    assert 240 not in near and len(cluster) in near
    assert abs(len(cluster) - 240) == min(abs(size - 240) for size in near)


def test_nickel_cluster_is_a_truncated_octahedron():
    cluster = wulff_cluster("Ni", 201)
    assert len(cluster) == 201
    coordination = np.bincount([len(b) for b in bonds(cluster, 2.8)])
    assert coordination[12] == 79 and coordination[:6].sum() == 0
    own = cluster.positions - cluster.positions.mean(axis=0)
    turned = own @ np.array([[0, 1, 0], [0, 0, 1], [1, 0, 0]])
    assert np.allclose(np.sort(np.round(own, 6), axis=0), np.sort(np.round(turned, 6), axis=0))


def test_facets_follow_the_surface_energies():
    cubic = wulff_cluster("Ni", 172, surface_energies={"100": 1.0, "111": 5.0})
    own = cubic.positions - cubic.positions.mean(axis=0)
    corner = np.abs(own).max(axis=0)
    assert np.min(np.linalg.norm(own - corner, axis=1)) < 0.1  # a cube has corners


# relaxation -------------------------------------------------------------------------------------------
def test_relaxation_lowers_forces_and_leaves_the_start_alone():
    start = slab("100", n_layers=8)
    before = start.positions.copy()
    fractions = []
    done = relax(start, StillingerWeber(), fmax=0.01, progress=Progress(lambda f, _: fractions.append(f)))
    assert np.array_equal(start.positions, before) and start.calc is None
    assert np.linalg.norm(done.get_forces(), axis=1).max() <= 0.01
    assert done.info["relax_steps"] > 5 and fractions[-1] == 1.0 and fractions[0] < 0.2


def test_relaxation_of_the_cell_finds_the_lattice_constant():
    done = relax(bulk("Si", "diamond", a=5.3, cubic=True), StillingerWeber(), fmax=1e-3, cell=True)
    assert done.cell.lengths() == pytest.approx([5.431] * 3, abs=2e-3)


def test_rattling_leaves_a_saddle():
    """Three atoms in a line feel no force across it; once shaken they bend to the angle of the crystal."""
    line = Atoms("Si3", positions=[[0, 0, 0], [2.35, 0, 0], [4.7, 0, 0]])
    still = relax(line, StillingerWeber())
    shaken = relax(line, StillingerWeber(), rattle=0.1)
    assert still.get_angle(0, 1, 2) == pytest.approx(180.0)
    assert shaken.get_angle(0, 1, 2) == pytest.approx(109.47, abs=1.0)


def test_relaxation_stops_when_asked_to():
    progress = Progress()
    progress.cancel()
    with pytest.raises(Cancelled):
        relax(slab("100", n_layers=8), StillingerWeber(), progress=progress)


def test_a_relaxation_that_does_not_end_is_told():
    start = slab("111", n_layers=8)
    with pytest.raises(AnalysisError, match="after 3 steps the largest force"):
        relax(start, StillingerWeber(), max_steps=3)
    left = relax(start, StillingerWeber(), max_steps=3, strict=False)
    assert left.info["max_force"] > 0.01


# bad input --------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: slab("113"), "no builder for the surface '113'"),
        (lambda: slab("100", element="Ni"), "Ni does not crystallise in the diamond lattice"),
        (lambda: slab("100", n_layers=3), "3 layers are too few"),
        (lambda: slab("111", n_layers=9), "two different faces.*Use 8 or 10 layers"),
        (lambda: slab("100", vacuum=0.0), "with 0 Å of vacuum the slab is no slab"),
        (lambda: slab("100", vacuum=float("nan")), "vacuum"),
        (lambda: slab("100", lattice=3.0), "far from the lattice constant of Si"),
        (lambda: slab("100", repeat=(0, 1)), "no repetitions"),
        (lambda: wulff_cluster("Xe"), "no clusters are cut from Xe"),
        (lambda: wulff_cluster("Si", 3), "3 atoms cannot be cut"),
        (lambda: wulff_cluster(lattice=9.0), "far from the lattice constant"),
        (lambda: wulff_cluster(surface_energies={"10": 1.0}), "no Miller indices"),
        (lambda: wulff_cluster(surface_energies={"100": -1.0}), "must be positive"),
        (lambda: relax(bulk("Si"), StillingerWeber(), fmax=0.0), "must be positive"),
        (lambda: relax(bulk("Si"), StillingerWeber(), max_steps=0), "at least one step"),
    ],
)
def test_bad_input_is_told_in_plain_words(make, message):
    with pytest.raises(EatlasError, match=message) as caught:
        make()
    assert isinstance(caught.value, SettingsError)
