"""Foreign calculators as models: what they say, what happens where they fail, and the mapping with them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc100, molecule
from ase.calculators.eam import EAM
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones
from ase.units import GPa, J, m

from nnpcore.cli import main
from nnpcore.errors import Cancelled, EatlasError, PotentialError, SettingsError
from nnpcore.mapping import analyse_eos, depth_regions, eos_curve, region_errors, surface_energy_of
from nnpcore.mapping import with_references as referenced
from nnpcore.potential.external.model import (
    CalculatorModel,
    CalculatorSpec,
    NoAtomicEnergiesError,
    TotalsPrediction,
)
from nnpcore.progress import Progress
from nnpcore.reference import label, reference_calculator
from nnpcore.report.side_by_side import compare_eos
from nnpcore.structures import Frame, write_frames

SIGMA = {"sigma": 2.3, "epsilon": 0.4, "rc": 6.0}
LJ = CalculatorSpec("ase.calculators.lj:LennardJones", SIGMA)


def trouble(name: str) -> CalculatorSpec:
    """Return the spec of a misbehaving Lennard-Jones potential."""
    return CalculatorSpec(f"foreign_calculators:{name}", SIGMA)


def rattled(element: str, *, cubic: bool = True, a: float | None = None, seed: int = 0) -> Frame:
    """Return a rattled crystal without labels."""
    atoms = bulk(element, cubic=cubic, a=a)
    atoms.rattle(0.1, seed=seed)
    return Frame.from_atoms(atoms)


def scan(calculator: Any, element: str = "Cu", around: float = 3.6) -> list[Frame]:
    """Return fcc crystals along their volume with energies by a calculator."""
    lattice = around * np.linspace(0.96, 1.05, 9)
    return [label(bulk(element, "fcc", a=a, cubic=True), calculator) for a in lattice]


def gone(pid: int) -> bool:
    """Whether a process is no longer running."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


# What good ones say


@pytest.mark.parametrize(
    ("spec", "calculator", "frames"),
    [
        (CalculatorSpec("ase.calculators.emt:EMT"), EMT, [rattled("Cu"), rattled("Ni", cubic=False)]),
        (LJ, lambda: LennardJones(**SIGMA), [rattled("Cu"), rattled("Ar", a=3.6)]),
        (
            CalculatorSpec("nnpcore.reference:reference_calculator", {"name": "stillinger-weber"}),
            lambda: reference_calculator("stillinger-weber"),
            [rattled("Si")],
        ),
    ],
)
def test_process_says_what_the_calculator_says(
    spec: CalculatorSpec, calculator: Any, frames: list[Frame]
) -> None:
    with CalculatorModel(spec) as model:
        found = model.predict(frames, n_threads=1)
        assert model.gives_atomic_energies and model.note == "" and model.n_members == 1
    for k, frame in enumerate(frames):
        atoms = frame.to_atoms()
        atoms.calc = calculator()
        own = found.atoms_of(k)
        assert found.energy[k] == pytest.approx(atoms.get_potential_energy(), abs=1e-12)
        assert found.forces is not None and found.stress is not None
        np.testing.assert_allclose(found.forces[own], atoms.get_forces(), atol=1e-12)
        np.testing.assert_allclose(found.stress[k], atoms.get_stress(voigt=False), atol=1e-14)
        np.testing.assert_allclose(found.atomic_energies[own], atoms.get_potential_energies(), atol=1e-12)
    assert not found.atomic_energies_std.any()


def test_objects_run_here_and_clusters_have_no_stress() -> None:
    frames = [rattled("Cu"), Frame.from_atoms(molecule("N2"))]
    model = CalculatorModel(EMT(), name="mine")
    found = model.predict(frames)
    assert (model.name, model._process) == ("mine", None)
    assert found.stress is not None
    assert np.isfinite(found.stress[0]).all() and np.isnan(found.stress[1]).all()
    only = model.predict(frames, forces=False, stress=False)
    assert only.forces is None and only.stress is None
    np.testing.assert_allclose(only.energy, found.energy)
    assert model.predict([]).n_frames == 0
    with pytest.raises(PotentialError, match="this is a class and no ASE calculator"):
        CalculatorModel(EMT)


def test_what_it_prints_and_reads_does_not_disturb() -> None:
    frames = [rattled("Cu", seed=s) for s in range(3)]
    with CalculatorModel(trouble("Chatty")) as model:
        np.testing.assert_allclose(
            model.predict(frames).energy, CalculatorModel(LennardJones(**SIGMA)).predict(frames).energy
        )


def test_modules_of_the_folder_are_found_but_hide_no_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.py").write_text("from ase.calculators.emt import EMT as Mine\n")
    (tmp_path / "random.py").write_text("raise RuntimeError('not this one')\n")
    monkeypatch.chdir(tmp_path)
    with CalculatorModel(CalculatorSpec("mine:Mine")) as model:
        assert np.isfinite(model.predict([rattled("Cu")]).energy).all()


# Specs


@pytest.mark.parametrize("path", ["ase", "ase:", ":EMT", "ase.calculators.emt.EMT", "a b:C", "a:b()"])
def test_import_paths_are_checked(path: str) -> None:
    with pytest.raises(SettingsError, match=r"no import path.*Write package\.module:Name"):
        CalculatorSpec(path)


def test_arguments_are_checked_and_kept() -> None:
    spec = CalculatorSpec.from_text("a.b:C", ' {"device": "cpu", "layers": [1, 2]} ', "mine")
    assert CalculatorSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec
    assert (spec.title, LJ.title) == ("mine", "LennardJones(sigma=2.3, epsilon=0.4, rc=6.0)")
    for text in ("{", "[1]", '"x"', "3"):
        with pytest.raises(SettingsError, match="JSON"):
            CalculatorSpec.from_text("a.b:C", text)
    arguments: Any = {"model": object()}
    with pytest.raises(SettingsError, match="JSON object"):
        CalculatorSpec("a.b:C", arguments)


@pytest.mark.parametrize(
    ("path", "arguments", "pattern"),
    [
        ("no_such_package.x:Y", {}, "cannot be imported .ModuleNotFoundError.*Install no_such_package"),
        ("ase.calculators.ljx:LJ", {}, "cannot be imported .*Mend the import path"),
        ("ase.calculators.lj:LenardJones", {}, "has no 'LenardJones'. The nearest name there is Lenn"),
        ("foreign_calculators:nothing", {"x": 1}, "cannot be made with these arguments .x=1.: TypeError"),
        ("foreign_calculators:nothing", {}, "this is a str and no ASE calculator"),
        ("ase.build:bulk", {"name": "Cu"}, "this is a Atoms and no ASE calculator"),
        ("foreign_calculators:never_ready", {}, "its start took more than 0.7 s and was ended"),
        ("os:_exit", {"status": 4}, "has ended by itself .exit status 4"),
    ],
)
def test_what_cannot_start_says_why(path: str, arguments: dict[str, Any], pattern: str) -> None:
    seconds = 0.7 if "ready" in path else 60.0
    with CalculatorModel(CalculatorSpec(path, arguments), start_seconds=seconds) as model:
        with pytest.raises(PotentialError, match=pattern) as caught:
            model.start()
        assert caught.value.fix


# Those that fail


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("Raises", r"frame 0: the calculator failed \(ValueError: no such bond\)"),
        ("Exits", "ended by itself .exit status 3.; its last words: License expired"),
        ("SystemExits", "ended by itself .exit status 1.*no license"),
        ("Crashes", r"crashed \(SIGSEGV\)"),
        ("Hangs", "one structure took more than 0.5 s and was ended; its last words: thinking"),
        ("NotANumber", "frame 0: its forces are NaN or infinite"),
        ("WrongShape", r"frame 0: forces has the shape \(3, 3\), expected \(4, 3\)"),
    ],
)
def test_what_fails_says_so_and_leaves_nothing(name: str, pattern: str) -> None:
    frame = rattled("Cu")
    with CalculatorModel(trouble(name), frame_seconds=0.5 if name == "Hangs" else None) as model:
        model.start()
        assert model._process is not None
        pid = model._process.pid
        with pytest.raises(PotentialError, match=pattern):
            model.predict([frame])
        ended = name in ("Exits", "SystemExits", "Crashes", "Hangs")
        assert gone(pid) == ended
        if name == "Crashes":  # it starts anew and crashes again, but does not block
            with pytest.raises(PotentialError, match=pattern):
                model.predict([frame])
    assert gone(pid)


def test_cancelling_kills_it_at_once() -> None:
    progress = Progress()
    with CalculatorModel(trouble("Hangs")) as model:
        model.start()
        assert model._process is not None
        pid = model._process.pid
        threading.Timer(0.3, progress.cancel).start()
        with pytest.raises(Cancelled):
            model.predict([rattled("Cu")], progress=progress)
        assert gone(pid)


def test_it_does_not_outlive_us() -> None:
    code = (
        "import os, sys, threading, time; sys.path.insert(0, sys.argv[1])\n"
        "from ase.build import bulk\nfrom nnpcore.structures import Frame\n"
        "from nnpcore.potential.external.model import *\n"
        "model = CalculatorModel(CalculatorSpec('foreign_calculators:Hangs'))\n"
        "model.start(); print(model._process.pid, flush=True)\n"
        "asked = threading.Thread(target=model.predict, args=([Frame.from_atoms(bulk('Cu'))],))\n"
        "asked.start(); time.sleep(0.5); os.kill(os.getpid(), 9)\n"
    )
    command = [sys.executable, "-c", code, str(Path(__file__).parent)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL
    pid = int(done.stdout)
    for _ in range(100):
        if gone(pid):
            return
        time.sleep(0.1)
    os.kill(pid, signal.SIGKILL)
    pytest.fail("the worker is still there")


# Those with no, or other, atomic energies


def eam() -> EAM:
    """Return an embedded-atom potential, which in ASE has no atomic energies."""
    return EAM(
        elements=["Cu"],
        embedded_energy=np.array([lambda rho: -np.sqrt(np.maximum(rho, 1e-12))]),
        electron_density=np.array([lambda r: 3.0 * np.exp(-2.0 * (r - 2.5))]),
        phi=np.array([[lambda r: 0.3 * np.exp(-6.0 * (r - 2.5))]]),
        d_embedded_energy=np.array([lambda rho: -0.5 / np.sqrt(np.maximum(rho, 1e-12))]),
        d_electron_density=np.array([lambda r: -6.0 * np.exp(-2.0 * (r - 2.5))]),
        d_phi=np.array([[lambda r: -1.8 * np.exp(-6.0 * (r - 2.5))]]),
        cutoff=5.5,
        form="alloy",
    )


@pytest.mark.parametrize(
    "calculator", [eam, lambda: trouble("OnlyTotals"), lambda: trouble("ForgetsEnergies")]
)
def test_totals_work_without_atomic_energies(calculator: Any) -> None:
    with CalculatorModel(calculator()) as model:
        frames = scan(EMT())
        found = model.predict([rattled("Cu")])
        assert isinstance(found, TotalsPrediction) and model.gives_atomic_energies is False
        assert np.isfinite(found.energy).all() and found.forces is not None
        for name in ("atomic_energies", "atomic_energies_std", "atomic_energies_members"):
            with pytest.raises(NoAtomicEnergiesError, match=r"no energies of single atoms.*E / N. still"):
                getattr(found, name)
        curve = eos_curve(model, frames)
        expected = model.predict(frames).energy / 4
        np.testing.assert_allclose(curve.energies[0], expected)
        slab = depth_regions(Frame.from_atoms(fcc100("Cu", (1, 1, 9), vacuum=8.0)), surface_depth=3.0)
        with pytest.raises(NoAtomicEnergiesError):
            region_errors(model, slab)


def test_energies_of_the_atoms_alone_are_added() -> None:
    frames = [rattled("Cu"), rattled("Cu", cubic=False)]
    plain = CalculatorModel(LennardJones(**SIGMA)).predict(frames)
    with CalculatorModel(trouble("WithoutAtoms")) as model:
        found = model.predict(frames)
        np.testing.assert_allclose(found.atomic_energies, plain.atomic_energies - 100.0)
        np.testing.assert_allclose(found.energy, plain.energy - 100.0 * np.array([4, 1]))
        assert "Cu -100.0000 eV" in model.note


def test_energies_that_do_not_add_up_are_not_used() -> None:
    with CalculatorModel(trouble("DoesNotAddUp")) as model:
        found = model.predict([rattled("Cu")])
        with pytest.raises(NoAtomicEnergiesError, match=r"do not add up to its total energy .off by -"):
            _ = found.atomic_energies
        assert np.isfinite(found.energy).all()


# Mapping with them


def test_equation_of_state_is_the_calculators_own() -> None:
    frames = scan(EMT())
    with CalculatorModel(CalculatorSpec("ase.calculators.emt:EMT")) as model:
        report = analyse_eos(eos_curve(model, frames))
    assert report.rmse_mev == pytest.approx(0.0, abs=1e-9)
    assert report.slope_error_gpa == pytest.approx(0.0, abs=0.5)
    assert report.reference_fit is not None and report.mean_fit is not None
    assert report.mean_fit.v0 == pytest.approx(report.reference_fit.v0)
    strain, atoms = 1e-3, bulk("Cu", a=(4 * report.mean_fit.v0) ** (1 / 3))
    pressures = []
    for factor in (1 - strain, 1 + strain):
        moved = atoms.copy()
        moved.set_cell(atoms.cell * factor, scale_atoms=True)
        moved.calc = EMT()
        pressures.append(-moved.get_stress()[:3].mean())
    modulus = (pressures[0] - pressures[1]) / (6 * strain) / GPa
    assert report.mean_fit.b0_gpa == pytest.approx(modulus, rel=0.02)


def test_mapping_errors_and_surface_energy() -> None:
    atoms = fcc100("Cu", (1, 1, 11), a=3.6, vacuum=8.0)
    atoms.pbc = True
    slab, crystal = label(atoms, EMT()), label(bulk("Cu", a=3.6), EMT())
    assert slab.energy is not None and crystal.energy is not None
    exact = slab.arrays["reference_energies"]
    regions = referenced(depth_regions(slab, surface_depth=4.0), exact=exact)
    with CalculatorModel(CalculatorSpec("ase.calculators.emt:EMT")) as model:
        for error in region_errors(model, regions):
            assert error.error_mev == pytest.approx(0.0, abs=1e-9)
        found = surface_energy_of(model, slab, crystal.energy)
    other = CalculatorModel(LennardJones(**SIGMA))
    errors = {e.name: e for e in region_errors(other, regions)}
    predicted = other.predict([slab]).atomic_energies
    inside = regions.regions[0].atoms
    expected = 1000 * (predicted[inside] - exact[inside]).mean()
    assert errors[regions.regions[0].name].error_mev == pytest.approx(expected)
    area = 3.6**2 / 2
    assert found.j_per_m2 == pytest.approx((slab.energy - 11 * crystal.energy) / (2 * area) / (J / m**2))


def test_several_are_compared_and_other_zeros_are_told() -> None:
    frames = scan(EMT())
    first, second = CalculatorModel(EMT()), CalculatorModel(LennardJones(**SIGMA))
    found = compare_eos([first, second, first], frames, n_threads=1)
    assert [item.name for item in found] == ["EMT", "LennardJones", "EMT (2)"]
    assert found[0].shift == 0.0 and found[0].note == ""
    assert abs(found[1].shift) > 1.0 and "another zero" in found[1].note
    lowest = int(np.argmin(found[1].curve.reference))
    assert found[1].curve.mean[lowest] == pytest.approx(found[1].curve.reference[lowest])


def test_commands_take_calculators(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "scan.extxyz"
    write_frames(file, scan(EMT()))
    chosen = ["--calculator", "ase.calculators.emt:EMT", "--calculator", "ase.calculators.lj:LennardJones"]
    chosen += ["--arguments", "{}", "--arguments", json.dumps(SIGMA)]
    folder = tmp_path / "m"
    assert main(["map", *chosen, "--eos", str(file), "-o", str(folder), "--json"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert list(found["models"]) == ["EMT", LJ.title]
    assert found["models"]["EMT"]["eos_rmse_mev_per_atom"] == pytest.approx(0.0, abs=1e-6)
    assert found["models"]["EMT"]["v0"] == pytest.approx(found["reference"]["v0"], rel=3e-4)
    assert {"eos.png", "eos.svg", "eos_1.csv", "eos_2.csv", "report.json"} <= set(os.listdir(folder))
    assert main(["evaluate", *chosen[:2], str(file), "--json"]) == 0
    (report,) = json.loads(capfd.readouterr().out)["models"]["EMT"].values()
    assert report["rmse_energy_mev_per_atom"]["mean"] == pytest.approx(0.0, abs=1e-6)
    assert report["rmse_force_ev_per_ang"]["mean"] == pytest.approx(0.0, abs=1e-8)
    assert main(["map", "--calculator", "ase.calculators.emt:EMX", "--eos", str(file), "-o", "x"]) == 1
    assert "nearest name there is EMT" in capfd.readouterr().err
    assert main(["map", "--eos", str(file), "-o", "x"]) == 1
    assert "or a calculator by --calculator" in capfd.readouterr().err
    assert main(["evaluate", "--arguments", "{}", "--arguments", "{}", *chosen[:2], str(file)]) == 1
    assert "2 --arguments for 1 --calculator" in capfd.readouterr().err


def test_all_errors_are_for_users() -> None:
    assert issubclass(NoAtomicEnergiesError, EatlasError)
    with CalculatorModel(CalculatorSpec("ase.calculators.emt:EMT")) as model:
        with pytest.raises(PotentialError, match=r"EMT, frame 0: the calculator failed .*Bi"):
            model.predict([Frame.from_atoms(Atoms("Bi2", [[0, 0, 0], [0, 0, 3]]))])
        assert model.predict([rattled("Cu")]).n_frames == 1


# In another Python


@pytest.mark.parametrize("python", [sys.executable, sys.prefix])
def test_another_python_says_the_same(python: str) -> None:
    frame = rattled("Cu")
    spec = CalculatorSpec("ase.calculators.emt:EMT", python=python)
    with CalculatorModel(spec) as model:
        found = model.predict([frame], n_threads=1)
        pid = model._process.pid if model._process else 0
    atoms = frame.to_atoms()
    atoms.calc = EMT()
    assert found.energy[0] == pytest.approx(atoms.get_potential_energy(), abs=1e-12)
    np.testing.assert_allclose(found.forces, atoms.get_forces(), atol=1e-12)
    assert gone(pid)
    assert CalculatorSpec.from_dict(spec.to_dict()) == spec


def test_the_worker_needs_nothing_of_eatlas_but_its_errors() -> None:
    from nnpcore.potential.external import process

    code = process._ELSEWHERE.replace("main()\n", "print(sorted(m for m in sys.modules if 'nnpcore' in m or ")
    code = code.replace("import main\n", "import main as _\n") + "m in ('safetensors', 'pydantic', 'torch')))"
    root = str(Path(process.__file__).parents[2])
    done = subprocess.run([sys.executable, "-c", code, root], capture_output=True, text=True, check=True)
    packages = ["nnpcore", "nnpcore.errors", "nnpcore.potential", "nnpcore.potential.external"]
    assert done.stdout.strip() == str([*packages, "nnpcore.potential.external.worker"])


def test_what_is_no_python_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for python in (tmp_path, tmp_path / "python"):
        with pytest.raises(PotentialError, match=r"this is no Python.*env/bin/python"):
            CalculatorModel(CalculatorSpec("ase.calculators.emt:EMT", python=str(python))).start()
    missing = CalculatorSpec("not_there.calculators:Any", python=sys.executable)
    with pytest.raises(PotentialError, match=f"Install not_there in the environment of {sys.executable}"):
        CalculatorModel(missing).start()
    given = ["evaluate", "--calculator", "ase.calculators.emt:EMT", "x.xyz", "--python", "a", "--python", "b"]
    assert main(given) == 1
    assert "2 --python for 1 --calculator" in capsys.readouterr().err


def test_what_the_process_says_is_kept() -> None:
    with CalculatorModel(trouble("Chatty")) as model:
        model.predict([rattled("Cu")], n_threads=1)
    assert model.messages and all(len(line) <= 300 for line in model.messages)
    assert len(model.messages) == len(set(model.messages)) <= 20


def test_nothing_is_pickled() -> None:
    import io

    from nnpcore.potential.external.worker import read_message, write_message

    with pytest.raises(ValueError, match="holds no numbers"):
        write_message(io.BytesIO(), {}, {"energy": np.array([object()])})
    packed = io.BytesIO()
    np.savez(packed, energy=np.array([print], dtype=object))
    stream = io.BytesIO(b'{"body": {}, "size": %d}\n' % len(packed.getvalue()) + packed.getvalue())
    with pytest.raises(EOFError):
        read_message(stream)


def test_labels_are_short() -> None:
    path = "/home/somebody/models/2026/a-model-with-a-very-long-name.pth"
    spec = CalculatorSpec("mace.calculators:MACECalculator", {"model_paths": path, "device": "cpu"})
    assert len(spec.title) <= 48 and "somebody" not in spec.title
