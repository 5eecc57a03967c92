"""What potentials say of a crystal: known numbers, spreads, and that what fails does not take the rest."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk, fcc100
from ase.calculators.emt import EMT
from ase.io import write

from nnpcore.cli import main
from nnpcore.errors import AnalysisError, Cancelled, PotentialError, SettingsError
from nnpcore.potential import CalculatorModel, Prediction
from nnpcore.progress import Progress
from nnpcore.properties import (
    Properties,
    PropertySettings,
    Reference,
    bulk_frame,
    find_crystal,
    read_properties,
    read_reference,
    standardized,
    study_properties,
    write_properties,
)
from nnpcore.properties.asking import Asked
from nnpcore.properties.comparing import rows_of, table_of, unique_names
from nnpcore.properties.defects import cuts, slab_of
from nnpcore.properties.dynamics import radial_distribution
from nnpcore.properties.elastic import stiffness
from nnpcore.properties.lattice import relaxed_crystal
from nnpcore.reference import StillingerWeber
from nnpcore.structures import Frame
from nnpcore.units import GPA_PER_EV_PER_ANG3

STILL = ("eos", "elastic", "surfaces", "vacancy", "phonons")
SILICON = standardized(bulk("Si", a=5.5))


def silicon() -> CalculatorModel:
    return CalculatorModel(StillingerWeber(), name="sw")


class Members:
    """Stillinger-Weber silicon times a factor for each member."""

    name, elements = "members", ("Si",)

    def __init__(self, *factors: float) -> None:
        self.factors, self.n_members = np.array(factors), len(factors)
        self.model = silicon()

    def predict(self, frames: list[Frame], **options: Any) -> Prediction:
        found = self.model.predict(frames, **options)
        f = self.factors
        forces = None if found.forces is None else f.mean() * found.forces
        each = None if found.forces is None else f[:, None, None] * found.forces
        stress = found.stress_members
        stress = None if stress is None else f[:, None, None, None] * stress
        energies = f[:, None] * found.atomic_energies_members
        return Prediction(found.frame_start, energies, forces, forces, each, stress)


@pytest.fixture(scope="module")
def still() -> Properties:
    return study_properties(silicon(), SILICON, PropertySettings(parts=STILL), n_threads=1)


# known numbers ----------------------------------------------------------------------------------------
def test_silicon_by_stillinger_and_weber(still: Properties) -> None:
    """Elastic constants: E. R. Cowley, Phys. Rev. Lett. 60, 2379 (1988); the bonds of ideal faces: exact."""
    known = {key: v.value for key, v in still.values.items()}
    assert known["a"] == pytest.approx(5.431, abs=5e-4)
    assert known["energy"] == pytest.approx(-2 * 2.1683, abs=1e-5)
    for name, value in (("c11", 151.4), ("c12", 76.4), ("c44", 56.4), ("b0", 101.4)):
        assert known[name] == pytest.approx(value, abs=0.3), name
    assert known["bulk_modulus"] == pytest.approx((151.4 + 2 * 76.4) / 3, abs=0.2)
    bond, a = 2.1683 / 2, known["a"]  # a broken bond costs half of its energy to either side
    joule = units._e * 1e20
    assert known["surface_111"] == pytest.approx(bond / (np.sqrt(3) / 4 * a * a) * joule, rel=2e-3)
    assert known["surface_100"] == pytest.approx(2 * bond / (a * a / 2) * joule, rel=2e-3)
    assert known["vacancy"] == pytest.approx(2.82, abs=0.05)  # 4.34 as cut; its neighbors pair up
    assert not still.failed and not still.notes


def test_the_highest_phonon_is_that_of_the_two_sublattices(still: Properties) -> None:
    atoms = bulk("Si", a=still.values["a"].value)
    atoms.calc = StillingerWeber()
    atoms.positions[0] += [0.001, 0, 0]
    stiffness_ = -atoms.get_forces()[0, 0] / 0.001
    omega = np.sqrt(stiffness_ / (atoms.get_masses()[0] / 2))
    assert still.values["phonon_max"].value == pytest.approx(omega * units.fs * 1e3 / (2 * np.pi), rel=2e-3)
    assert abs(still.values["phonon_min"].value) < 1e-3
    assert still.bands is not None and still.bands.marks[0][1] == "Γ"
    assert still.bands.frequencies.shape == (len(still.bands.distances), 6)


def test_copper_by_effective_medium_theory_by_its_energies() -> None:
    model = CalculatorModel(EMT())
    settings = PropertySettings(parts=("elastic", "vacancy"))
    found = study_properties(model, standardized(bulk("Cu")), settings, n_threads=1)
    a, e = found.values["a"].value, 0.004

    def energy(strain: np.ndarray) -> float:
        atoms = bulk("Cu", a=a, cubic=True)
        atoms.set_cell(atoms.cell.array @ (np.eye(3) + strain), scale_atoms=True)
        atoms.calc = EMT()
        return atoms.get_potential_energy()

    def curvature(unit: np.ndarray) -> float:
        sides = energy(e * unit) + energy(-e * unit) - 2 * energy(0 * unit)
        return sides / e**2 / a**3 * GPA_PER_EV_PER_ANG3

    shear = np.zeros((3, 3))
    shear[0, 1] = shear[1, 0] = 0.5
    assert found.values["c11"].value == pytest.approx(curvature(np.diag([1.0, 0, 0])), rel=0.01)
    assert found.values["c44"].value == pytest.approx(curvature(shear), rel=0.01)
    bulk_modulus = curvature(np.eye(3)) / 9
    assert found.values["bulk_modulus"].value == pytest.approx(bulk_modulus, rel=0.01)
    assert 1.1 < found.values["vacancy"].value < 1.3


def test_a_hexagonal_crystal_is_isotropic_across_its_axis() -> None:
    wurtzite = Atoms(
        "Si4",
        scaled_positions=[
            [1 / 3, 2 / 3, 0],
            [2 / 3, 1 / 3, 0.5],
            [1 / 3, 2 / 3, 0.375],
            [2 / 3, 1 / 3, 0.875],
        ],
        cell=[3.84, 3.84, 6.27, 90, 90, 120],
        pbc=True,
    )
    crystal = standardized(wurtzite)
    assert (crystal.number, crystal.family) == (194, "hexagonal")
    asked = Asked(silicon(), PropertySettings(fmax=1e-4), 1)
    c = stiffness(asked, relaxed_crystal(asked, crystal, Progress()), Progress())[0]
    assert c[5, 5] == pytest.approx((c[0, 0] - c[0, 1]) / 2, rel=5e-3)
    assert c[0, 0] == pytest.approx(c[1, 1], rel=5e-3) and c[3, 3] == pytest.approx(c[4, 4], rel=5e-3)
    assert abs(c[0, 3]) < 0.3 and c[2, 2] > c[0, 0] > 150


def test_neighbors_are_counted_by_the_radial_distribution() -> None:
    crystal = bulk("Si", a=5.43, cubic=True).repeat(2)
    line = radial_distribution([Frame.from_atoms(crystal)])
    density = len(crystal) / crystal.cell.volume
    width = line.x[1] - line.x[0]
    shells = 4 * np.pi * (line.x**2 + width**2 / 12) * width * density * line.y
    assert shells[line.x < 3.0].sum() == pytest.approx(4, rel=1e-6)
    assert shells[line.x < 4.2].sum() == pytest.approx(16, rel=1e-6)


@pytest.mark.parametrize("face", [(1, 0, 0), (1, 1, 0), (1, 1, 1)])
def test_slabs_hold_whole_cells_and_a_vacuum(face: tuple[int, int, int]) -> None:
    atoms = bulk("Si", a=5.43, cubic=True)
    for cut in cuts(atoms, face):
        slab = slab_of(atoms, face, cut, 14.0, 15.0)
        height = float(np.ptp(slab.positions[:, 2]))
        assert len(slab) % 8 == 0 and slab.cell[2, 2] - height == pytest.approx(15.0)
        assert 10.0 < height < 22.0 and abs(slab.cell[2, :2]).max() < 1e-9
        d = slab.get_all_distances(mic=True)
        assert d[d > 0].min() == pytest.approx(5.43 * np.sqrt(3) / 4, abs=1e-6)


# ensembles --------------------------------------------------------------------------------------------
def test_spreads_are_those_of_the_members(still: Properties) -> None:
    model = Members(0.9, 1.1)
    found = study_properties(model, SILICON, PropertySettings(parts=STILL), n_threads=1)
    for key, value in found.values.items():
        alone = still.values[key].value
        assert alone is not None and value.value == pytest.approx(alone, rel=1e-3, abs=2e-3), key
        assert value.spread is not None
        if key in ("a", "volume", "v0", "b0_prime"):
            assert value.spread < 1e-3 * abs(alone), key
        elif key == "phonon_max":
            assert value.spread == pytest.approx(alone * (np.sqrt(1.1) - np.sqrt(0.9)) / 2, rel=1e-2)
        elif key != "phonon_min":
            assert value.spread == pytest.approx(0.1 * abs(alone), rel=1e-2), key


# dynamics ---------------------------------------------------------------------------------------------
def brief(**changes: Any) -> PropertySettings:
    short = {"equilibration_ps": 0.1, "constant_energy_ps": 0.1, "heating_ps": 0.1, "cell_length": 5.0}
    return PropertySettings(**({"parts": ("dynamics",), "max_temperature": 600.0} | short | changes))


def test_dynamics_keeps_its_energy_and_says_what_is_out_of_reach() -> None:
    from nnpcore.descriptors import SymmetryFunctions
    from nnpcore.properties import KnownData

    settings = brief()
    functions = SymmetryFunctions.preset("26", ["Si"])
    rattled = [bulk("Si", a=5.43, cubic=True) for _ in range(4)]
    for k, atoms in enumerate(rattled):
        atoms.rattle(0.02, seed=k)
    known = KnownData([Frame.from_atoms(atoms) for atoms in rattled], functions)
    found = study_properties(silicon(), SILICON, settings, known=known, n_threads=1).values
    assert abs(found["drift"].value) < 2.0
    assert found["breaks_at"].value is None and found["breaks_at"].why == "not up to 600 K"
    assert 300.0 <= found["first_out_of_reach"].value < 600.0
    wide = study_properties(silicon(), SILICON, replace(settings, reach=99.0), known=known, n_threads=1)
    assert wide.values["first_out_of_reach"].why == "none up to 600 K"


def test_a_potential_with_a_hole_breaks() -> None:
    class Hole(Members):
        """Once its crystal is hot its energy falls by 1 eV/atom."""

        def predict(self, frames: list[Frame], **options: Any) -> Prediction:
            found = super().predict(frames, **options)
            hot = found.energy[0] / frames[0].n_atoms > -4.25
            return replace(found, atomic_energies_members=found.atomic_energies_members - hot)

    found = study_properties(Hole(1.0), SILICON, brief(max_temperature=3000.0), n_threads=1)
    assert 300.0 <= found.values["breaks_at"].value < 3000.0
    assert len(found.notes) == 1 and "K: the energy is" in found.notes[0]


# what fails -------------------------------------------------------------------------------------------
def test_what_fails_says_why_and_does_not_take_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "phonopy", None)

    class NoSlabs(Members):
        def predict(self, frames: list[Frame], **options: Any) -> Prediction:
            if frames[0].volume / frames[0].n_atoms > 30:
                raise PotentialError("no vacuum, please")
            return super().predict(frames, **options)

    parts = ("surfaces", "phonons", "eos")
    found = study_properties(NoSlabs(1.0), SILICON, PropertySettings(parts=parts), n_threads=1)
    assert found.values["b0"].value == pytest.approx(101.4, abs=0.5)
    why = {value.key: value.why for value in found.failed}
    assert "phonopy is not installed" in why["phonons"] and "eatlas[phonons]" in why["phonons"]
    assert why["surfaces"] == "no vacuum, please"


def test_without_a_lattice_each_part_says_so() -> None:
    class NoStress(Members):
        def predict(self, frames: list[Frame], **options: Any) -> Prediction:
            return replace(super().predict(frames, **options), stress_members=None)

    found = study_properties(NoStress(1.0), SILICON, PropertySettings(parts=("elastic",)), n_threads=1)
    assert [value.key for value in found.failed] == ["lattice", "elastic"]
    assert all("gives no stress" in value.why for value in found.failed)


def test_a_part_that_failed_says_so_in_the_rows_that_others_have_for_it(still: Properties) -> None:
    from nnpcore.properties.comparing import left_out
    from nnpcore.properties.values import Found, Value

    names = {"lattice": "Lattice", "elastic": "Elastic constants"}
    why = "its pressure grows with its volume"
    lost = {key: Found((Value(key, name, "", None, why=why),)) for key, name in names.items()}
    failed = replace(still, name="lost", parts={**still.parts, **lost})
    for models, reference in (([failed, still], None), ([failed], Reference.of(still))):
        rows = {row.key: row for row in rows_of(models, reference)}
        assert not {"lattice", "elastic"} & set(rows)
        assert rows["a"].why(0) == rows["c11"].why(0) == why and rows["c11"].unit == "GPa"
    assert {"lattice", "elastic"} <= {row.key for row in rows_of([failed])}
    assert left_out([failed]) == [f"lost, Lattice, Elastic constants: {why}"]


def test_a_row_of_what_failed_has_the_unit_of_the_others(still: Properties) -> None:
    from nnpcore.properties.values import Found, Value

    lost = Found((Value("vacancy", "Vacancy formation", "", None, why="it does not come to rest"),))
    failed = replace(still, parts={**still.parts, "vacancy": lost})
    for models, reference in (([failed, still], None), ([failed], Reference.of(still))):
        row = next(row for row in rows_of(models, reference) if row.key == "vacancy")
        assert row.name == "Vacancy, eV" and row.text(0) == "–" and row.why(0) == "it does not come to rest"


def test_vacancies_of_compounds_are_refused() -> None:
    from ase.calculators.lj import LennardJones

    crystal = standardized(bulk("CuAu", "rocksalt", a=5.4))
    model = CalculatorModel(LennardJones(sigma=2.4, epsilon=0.4, rc=6.0))
    settings = PropertySettings(parts=("vacancy",), fmax=0.01)
    found = study_properties(model, crystal, settings, n_threads=1)
    assert found.values["a"].value is not None
    assert "chemical potentials" in found.values["vacancy"].why


def test_cancelling_ends_it() -> None:
    told: list[str] = []

    def on_report(_: float | None, text: str) -> None:
        told.append(text)
        if "Elastic" in text:
            progress.cancel()

    progress = Progress(on_report)
    with pytest.raises(Cancelled):
        study_properties(silicon(), SILICON, PropertySettings(parts=STILL), n_threads=1, progress=progress)
    assert any("Lattice" in text for text in told) and not any("Surface" in text for text in told)


def test_settings_out_of_range_are_named() -> None:
    with pytest.raises(SettingsError, match="no property 'colour'"):
        PropertySettings(parts=("colour",))
    with pytest.raises(SettingsError, match="strain"):
        PropertySettings(strain=0.5)


# which crystal ----------------------------------------------------------------------------------------
def test_the_crystal_comes_from_the_data() -> None:
    hot = bulk("Si", a=5.45, cubic=True).repeat(2)
    hot.rattle(0.1, seed=1)
    slab = bulk("Si", a=5.43, cubic=True).repeat((1, 1, 3))
    slab.center(vacuum=8.0, axis=2)
    frames = [Frame.from_atoms(hot, index=0), Frame.from_atoms(slab, index=1)]
    frames = [replace(frames[0], energy=-4.0 * len(hot)), replace(frames[1], energy=-5.0 * len(slab))]
    assert bulk_frame(frames).n_atoms == 64
    found = find_crystal(frames, silicon(), PropertySettings(), n_threads=1)
    assert (found.number, len(found.atoms), found.text) == (227, 8, "Si, Fd-3m (227)")
    with pytest.raises(AnalysisError, match="vacuum"):
        bulk_frame(frames[1:])
    surface = fcc100("Cu", (1, 1, 3), vacuum=5.0)
    with pytest.raises(AnalysisError, match="no frame is periodic"):
        bulk_frame([Frame.from_atoms(surface)])


# files and commands -----------------------------------------------------------------------------------
def test_files_give_back_what_was_written(tmp_path: Path, still: Properties) -> None:
    path = tmp_path / "properties.json"
    write_properties(path, [still], Reference.of(still.named("other")))
    (again,), reference = read_properties(tmp_path)
    assert again.values.keys() == still.values.keys() and again.crystal == still.crystal
    np.testing.assert_allclose(again.bands.frequencies, still.bands.frequencies, atol=1e-6)
    np.testing.assert_allclose(again.line("eos").y, still.line("eos").y, rtol=1e-6)
    assert reference.name == "other"
    rows = {row.key: row for row in rows_of([again], reference)}
    assert rows["c11"].error(0) == pytest.approx(0.0, abs=1e-4) and rows["c11"].text(0) == "151.4"
    assert rows["phonon_rmse"].values[0].value < 1e-5
    assert read_reference(path).values["c11"] == pytest.approx(151.4, abs=0.3)
    named = unique_names([again.named("Net(model=small)"), again.named("Net (2)"), again.named("Other(a=1)")])
    assert [model.name for model in named] == ["Net", "Net (2)", "Other"]
    alike = unique_names([again.named("Net(model=small)"), again.named("Net(model=large)")])
    assert [model.name for model in alike] == ["Net(model=small)", "Net(model=large)"]
    assert table_of(unique_names([again, again]), reference)["sw (2)"][0] == pytest.approx(5.431, abs=5e-4)


@pytest.mark.parametrize("text", ["", "[]", '{"c11": "much"}', '{"format": "eatlas-properties"}', "{}"])
def test_other_files_are_no_reference(tmp_path: Path, text: str) -> None:
    path = tmp_path / "numbers.json"
    path.write_text(text)
    with pytest.raises(AnalysisError, match=r"numbers\.json"):
        read_reference(path)


def test_the_command_compares(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    structure, numbers = tmp_path / "cu.xyz", tmp_path / "experiment.json"
    write(structure, bulk("Cu"))
    numbers.write_text('{"a": 3.615, "c11": 176.2}')
    given = ["properties", "--structure", str(structure), "--reference", str(numbers), "--threads", "1"]
    given += ["--calculator", "ase.calculators.emt:EMT", "--only", "elastic", "--json"]
    assert main([*given, "-o", str(tmp_path / "out")]) == 0
    found = json.loads(capsys.readouterr().out)
    (model,) = found["models"].values()
    assert model["values"]["c11"]["value"] == pytest.approx(172.6, abs=0.5)
    assert found["crystal"] == "Cu, Fm-3m (225)"
    assert found["reference"] == {"name": "experiment", "values": {"a": 3.615, "c11": 176.2}}
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"properties.json", "properties.csv", "deviations.pdf"} <= names


def test_the_command_says_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["properties", "-o", str(tmp_path / "out")]) == 1
    assert "there is no model to study" in capsys.readouterr().err
    calculator = ["--calculator", "ase.calculators.emt:EMT"]
    assert main(["properties", *calculator, "-o", str(tmp_path / "out")]) == 1
    assert "which crystal" in capsys.readouterr().err


def test_a_report_has_a_section_of_them(still: Properties) -> None:
    from nnpcore.properties.values import Found, Value
    from nnpcore.report.content import Picture, Table
    from nnpcore.report.property_section import StudiedProperties, property_section

    failed = Found((Value("dynamics", "Molecular dynamics", "", None, why="it has exploded"),))
    model = replace(still, parts={**still.parts, "dynamics": failed})
    section = property_section(StudiedProperties([model], Reference("experiment", {"c11": 165.7})))
    (table,) = (block for block in section.blocks if isinstance(block, Table))
    assert ("C11, GPa", "151.4", "165.7", "-8.6 %") in table.rows
    assert section.missing == ["sw, Molecular dynamics: it has exploded."]
    pictures = [block for block in section.blocks if isinstance(block, Picture)]
    assert [p.alt for p in pictures] == [
        "Deviations from the reference",
        "Phonon dispersion",
        "Energy against volume",
    ]
