"""Try potentials whose weights come in their package, each in its own environment: ``make test-foreign``.

``python tools/foreign_potentials.py BUILD [--picture FILE]`` makes BUILD/NAME for each, with its package and
torch, unless it is there. A silicon crystal is then asked for through a process in that environment: atomic
energies add up to the total, a force is the derivative of the energy, and the properties of all are printed
and drawn side by side. Exit status 1 where one of them fails; what failed is said.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ase.build import bulk

from nnpcore.errors import EatlasError
from nnpcore.figures.drawing import save_figure
from nnpcore.figures.properties import deviations_figure
from nnpcore.potential.external.model import CalculatorModel, CalculatorSpec
from nnpcore.properties import PropertySettings, Reference, standardized, study_properties
from nnpcore.properties.comparing import rows_of
from nnpcore.structures import Frame

TORCH = "torch==2.13.0"
PARTS = ("lattice", "eos", "elastic", "surfaces", "vacancy", "phonons")
EXPERIMENT = Reference(
    "experiment",
    {"a": 5.431, "b0": 97.8, "c11": 165.8, "c12": 63.9, "c44": 79.6, "phonon_max": 15.5, "surface_111": 1.24},
)
"""Silicon. C: H. J. McSkimin and P. Andreatch, J. Appl. Phys. 35, 2161 (1964), B0 follows; the Raman line;
(111): J. J. Gilman, J. Appl. Phys. 31, 2208 (1960)."""
DERIVATIVE = 0.02
"""eV/Å: by so much forces may miss the differences of single-precision energies."""


@dataclass(frozen=True)
class Recipe:
    """A potential: name of its environment, package, where its calculator is, and its arguments."""

    name: str
    package: str
    import_path: str
    arguments: dict[str, Any]

    def spec(self, build: Path) -> CalculatorSpec:
        """Return its calculator, in its environment."""
        return CalculatorSpec(self.import_path, self.arguments, self.name, str(build / self.name))


RECIPES = (
    Recipe(
        "CHGNet",
        "chgnet==0.4.2",
        "chgnet.model:CHGNetCalculator",
        {"return_site_energies": True, "use_device": "cpu"},
    ),
    Recipe(
        "SevenNet",
        "sevenn==0.13.0",
        "sevenn.calculator:SevenNetCalculator",
        {"model": "7net-0", "device": "cpu"},
    ),
)


def make_environment(folder: Path, package: str) -> None:
    """Install a package with torch into an environment, unless that has been done."""
    done = folder / ".installed"
    if done.is_file() and done.read_text() == package:
        return
    print(f"Making {folder} with {package}", flush=True)
    venv.create(folder, with_pip=True, clear=True)
    for what in (TORCH, package):
        subprocess.run([folder / "bin" / "python", "-m", "pip", "install", "-q", what], check=True)
    done.write_text(package)


def check(model: CalculatorModel) -> list[str]:
    """Return what is wrong with a calculator, asked about a rattled crystal of silicon."""
    atoms = bulk("Si", cubic=True)
    atoms.rattle(0.1, seed=1)
    found = model.predict([Frame.from_atoms(atoms)], n_threads=1)
    wrong = [] if model.gives_atomic_energies else ["it gives no atomic energies"]
    if model.note:
        wrong.append(model.note)
    assert found.forces is not None
    sides = []
    for step in (0.02, -0.02):
        moved = atoms.copy()
        moved.positions[0, 0] += step
        sides.append(float(model.predict([Frame.from_atoms(moved)], forces=False, stress=False).energy[0]))
    force = -(sides[0] - sides[1]) / 0.04
    off = abs(force - float(found.forces[0, 0]))
    print(f"  {model.name}: force {found.forces[0, 0]:.4f}, difference of energies {force:.4f} eV/Å")
    return wrong if off < DERIVATIVE else [*wrong, f"its force is {off:.3f} eV/Å off the energy's derivative"]


def main() -> int:
    """Try all recipes; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("build", type=Path)
    parser.add_argument("--picture", type=Path, default=None)
    given = parser.parse_args()
    studied, failures = [], []
    crystal = standardized(bulk("Si"))
    for recipe in RECIPES:
        try:
            make_environment(given.build / recipe.name, recipe.package)
            with CalculatorModel(recipe.spec(given.build)) as model:
                failures += [f"{recipe.name}: {what}" for what in check(model)]
                studied.append(study_properties(model, crystal, PropertySettings(parts=PARTS), n_threads=1))
        except (EatlasError, subprocess.CalledProcessError) as error:
            failures.append(f"{recipe.name}: {error}")
    for row in rows_of(studied, EXPERIMENT):
        cells = "".join(f"{row.text(k):>14}" for k in range(len(studied)))
        print(f"{row.name:24}{cells}{row.reference_text:>14}")
    failures += [f"{p.name}, {v.title}: {v.why}" for p in studied for v in p.failed]
    if given.picture is not None and studied:
        figure = deviations_figure(studied, EXPERIMENT)
        assert figure is not None
        save_figure(figure, given.picture)
    for failure in failures:
        print(f"failed: {failure}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
