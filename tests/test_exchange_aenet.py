"""Networks of aenet: read from text and records, energies and forces against a second evaluation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.neighborlist import neighbor_list
from reference_aenet import Network, made_up, write_all

from nnpcore.cli import main
from nnpcore.errors import PotentialError
from nnpcore.exchange import read_foreign
from nnpcore.structures import Frame

LEAST, SEVERAL, THREE = ["Si"], ["Ti", "O"], ["Si", "C", "H"]


def functions(environment: list[str]) -> list[tuple[int, list[str], list[float]]]:
    """All kinds that are read, not in the order in which aenet evaluates them."""
    found: list[tuple[int, list[str], list[float]]] = []
    for k, a in enumerate(reversed(environment)):
        found += [(5, [a, environment[0]], [4.5, 1.0, 2.0 + k, 0.02])]
        found += [(2, [a], [5.0, 0.3 * k, 0.4]), (4, [a, a], [4.0, -1.0, 1.0, 0.01 + 0.01 * k])]
        found += [(2, [a], [4.5, 1.1, 0.9]), (1, [a], [4.2]), (5, [a, a], [4.5, -1.0, 1.5, 0.03])]
    return found


def networks(kind: str, environment: list[str], seed: int = 0) -> list[Network]:
    rng = np.random.default_rng(seed)
    how = {"functions": functions(environment)} if kind == "behler" else {"orders": (5.0, 4, 4.2, 3)}
    return [made_up(element, environment, rng, **how) for element in environment]


def crystal(environment: list[str]) -> Atoms:
    rng = np.random.default_rng(4)
    symbols = [environment[k % len(environment)] for k in range(6)]
    cell = [[3.9, 0.2, 0.1], [0.0, 4.1, -0.3], [0.4, 0.0, 4.4]]
    scaled = np.array(
        [[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5], [0.25, 0.3, 0.2], [0.7, 0.8, 0.75]]
    )
    return Atoms(symbols, scaled_positions=scaled + 0.02 * rng.normal(size=(6, 3)), cell=cell, pbc=True)


def reference_energies(found: list[Network], atoms: Atoms) -> np.ndarray:
    i, j, vectors = neighbor_list("ijD", atoms, 5.0)
    by_element = {network.element: network for network in found}
    symbols = atoms.get_chemical_symbols()
    near: list[list[tuple[str, np.ndarray]]] = [[] for _ in symbols]
    for a, b, v in zip(i, j, vectors, strict=True):
        near[a].append((symbols[b], v))
    return np.array(
        [by_element[symbol].atomic_energy(own) for symbol, own in zip(symbols, near, strict=True)]
    )


@pytest.mark.parametrize("how", ["text", "two", "records"])
@pytest.mark.parametrize("environment", [LEAST, SEVERAL, THREE], ids="".join)
@pytest.mark.parametrize("kind", ["behler", "chebyshev"])
def test_energies_are_those_of_a_second_evaluation(
    kind: str, environment: list[str], how: str, tmp_path: Path
) -> None:
    found = networks(kind, environment)
    write_all(tmp_path, found, how)
    potential, program = read_foreign([tmp_path])
    atoms = crystal(environment)
    wanted = reference_energies(found, atoms)
    own = potential.predict([Frame.from_atoms(atoms)])
    assert program == "aenet" and own.atomic_energies is not None and own.forces is not None
    np.testing.assert_allclose(own.atomic_energies, wanted, atol=1e-9)
    sides = []
    for step in (1e-4, -1e-4):
        moved = atoms.copy()
        moved.positions[4, 1] += step
        sides.append(reference_energies(found, moved).sum())
    assert own.forces[4, 1] == pytest.approx(-(sides[0] - sides[1]) / 2e-4, abs=1e-5)


def test_members_and_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for m in (1, 2):
        write_all(tmp_path / "pot" / f"member-{m}", networks("chebyshev", SEVERAL, m), "records")
    write_all(tmp_path / "pot" / "member-1", networks("chebyshev", SEVERAL, 1), "text")
    assert main(["import", str(tmp_path / "pot"), "-o", str(tmp_path / "run")]) == 0
    assert "aenet" in capsys.readouterr().err
    potential, _ = read_foreign([tmp_path / "run"])
    frame = Frame.from_atoms(crystal(SEVERAL))
    members = potential.predict([frame]).energy_members[:, 0]
    wanted = [reference_energies(networks("chebyshev", SEVERAL, m), crystal(SEVERAL)).sum() for m in (1, 2)]
    np.testing.assert_allclose(members, wanted, atol=1e-8)


def change(network: Network, **values: object) -> Network:
    for name, value in values.items():
        setattr(network, name, value)
    return network


G3, BENT = (3, ["Si"], [5.0, 0.5]), (4, ["Si", "Si"], [4.0, 0.5, 1.0, 0.01])
REFUSED = [
    ({"activations": (1, 4, 0)}, "no activation like aenet's tanh with a twist"),
    ({"activations": (1, 1, 1)}, "its output is not linear"),
    ({"functions": [*functions(LEAST), G3]}, "function 7 is of kind G3"),
    ({"functions": [*functions(LEAST), BENT]}, "function 7: lambda must be"),
    ({"functions": [*functions(LEAST), functions(LEAST)[0]]}, "function 7 is there twice"),
    ({"functions": None, "orders": (5.0, 4, 5.5, 3), "environment": SEVERAL}, "angles reach farther"),
]


@pytest.mark.parametrize(("how", "message"), REFUSED)
def test_what_eatlas_cannot_evaluate_is_refused_by_name(how: dict, message: str, tmp_path: Path) -> None:
    own = {"functions": functions(LEAST), "environment": LEAST, **how}
    environment = own.pop("environment")
    own = {name: value for name, value in own.items() if value is not None}
    made = [made_up(element, environment, np.random.default_rng(0), **own) for element in environment]
    write_all(tmp_path, made, "text")
    with pytest.raises(PotentialError, match=message):
        read_foreign([tmp_path])


def test_neighbors_in_another_order_than_the_training_sets_are_refused(tmp_path: Path) -> None:
    """aenet would take the functions of another element."""
    made = networks("behler", SEVERAL)
    write_all(tmp_path, [change(network, types=["O", "Ti"]) for network in made], "records")
    with pytest.raises(PotentialError, match="in the order Ti O, its training set had O Ti"):
        read_foreign([tmp_path])


def test_a_network_is_missing_or_there_twice(tmp_path: Path) -> None:
    titanium, oxygen = networks("behler", SEVERAL)
    write_all(tmp_path, [titanium], "text")
    with pytest.raises(PotentialError, match="it has neighbors of O, whose network is not here"):
        read_foreign([tmp_path])
    write_all(tmp_path, [titanium, oxygen], "text")
    (tmp_path / "O.old.nn").write_bytes(oxygen.records())
    with pytest.raises(PotentialError, match=r"a network of O, as O\.5t-5m\.nn\.ascii is"):
        read_foreign([tmp_path])


@pytest.mark.parametrize("how", ["text", "records"])
def test_a_cut_file_is_refused_wherever_it_is_cut(how: str, tmp_path: Path) -> None:
    write_all(tmp_path, networks("chebyshev", LEAST), how)
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    for size in [*range(0, len(whole), max(1, len(whole) // 400)), *range(len(whole) - 9, len(whole))]:
        path.write_bytes(whole[:size])
        with pytest.raises(PotentialError):
            read_foreign([path], "aenet")
    made = networks("chebyshev", LEAST)
    made[0].layers[0][0][0, 0] = 1e300
    write_all(tmp_path, made, how)
    with pytest.raises(PotentialError, match=r"beyond any sense") as caught:
        read_foreign([path])
    assert f"{path}, {'line' if how == 'text' else 'record'} " in (caught.value.where or "")
    path.write_bytes(whole + whole[-20:])
    with pytest.raises(PotentialError, match="something stands behind the end"):
        read_foreign([path])


@pytest.mark.parametrize("name", ["Si.nn", "Si.15t-15t.nn.ascii", "Si.ann"])
def test_other_contents_name_the_place(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"\x04\x00\x00\x00")
    with pytest.raises(PotentialError, match="the number of layers") as caught:
        read_foreign([tmp_path])
    assert name in (caught.value.where or "")
