"""Try the recipes for potentials of others, each in its own environment: ``make test-foreign``.

``python tools/foreign_potentials.py BUILD [--picture FILE] [--only NAME ...]`` makes BUILD/NAME for each,
with its packages, unless it is there. A silicon crystal is then asked for through a process in that
environment: atomic energies add up to the total, a force is the derivative of the energy. The properties of
those whose weights come in their package are printed and drawn side by side; the others get weights that are
made up there and then. Exit status 1 where one of them fails; what failed is said.
"""

from __future__ import annotations

import argparse
import os
import re
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


DOCUMENTED = Path(__file__).parents[1] / "docs" / "potentials_of_others.md"
"""Its functions in Python are tried as they stand there, as the module ``mine``."""


@dataclass(frozen=True)
class Recipe:
    """A potential: name of its environment, packages, where its calculator is, and its arguments.

    ``weights`` is run in the environment where they do not come with the package.
    ``atomic``: whether it gives atomic energies.
    """

    name: str
    packages: tuple[str, ...]
    import_path: str
    arguments: dict[str, Any]
    weights: str = ""
    atomic: bool = True

    def spec(self, build: Path) -> CalculatorSpec:
        """Return its calculator, in its environment."""
        return CalculatorSpec(self.import_path, self.arguments, self.name, str(build / self.name))


RECIPES = (
    Recipe(
        "CHGNet",
        (TORCH, "chgnet==0.4.2"),
        "chgnet.model:CHGNetCalculator",
        {"return_site_energies": True, "use_device": "cpu"},
    ),
    Recipe(
        "SevenNet",
        (TORCH, "sevenn==0.13.0"),
        "sevenn.calculator:SevenNetCalculator",
        {"model": "7net-0", "device": "cpu"},
    ),
    Recipe(
        "NEP",
        ("calorine==4.1",),
        "calorine.calculators:CPUNEP",
        {"model_filename": "nep.txt"},
        """
import numpy as np
rng = np.random.default_rng(1)
rows = ["nep4 1 Si", "cutoff 5 4.5 50 50", "n_max 4 3", "basis_size 6 6", "l_max 4 2 0", "ANN 8 0"]
n = 5 + 4 * 5
rows += [f"{x:.7e}" for x in rng.normal(size=(n + 2) * 8 + 1 + 5 * 7 + 4 * 7) * 0.5] + ["0.2"] * n
open("nep.txt", "w").write("\\n".join(rows) + "\\n")
""",
    ),
    Recipe(
        "MACE",
        (TORCH, "mace-torch==0.3.16"),
        "mace.calculators:MACECalculator",
        {"model_paths": "mace.model", "device": "cpu", "default_dtype": "float64"},
        """
import mace.calculators, numpy, torch
from e3nn.o3 import Irreps
from mace.modules import ScaleShiftMACE, interaction_classes
torch.set_default_dtype(torch.float64)
torch.manual_seed(0)
torch.save(ScaleShiftMACE(
    r_max=4.5, num_bessel=6, num_polynomial_cutoff=5, max_ell=2, num_interactions=2, num_elements=1,
    interaction_cls=interaction_classes["RealAgnosticResidualInteractionBlock"],
    interaction_cls_first=interaction_classes["RealAgnosticInteractionBlock"],
    hidden_irreps=Irreps("8x0e + 8x1o"), MLP_irreps=Irreps("8x0e"), atomic_energies=numpy.array([-100.0]),
    avg_num_neighbors=12.0, atomic_numbers=[14], correlation=2, gate=torch.nn.functional.silu,
    atomic_inter_scale=1.0, atomic_inter_shift=0.0), "mace.model")
""",
    ),
    Recipe(
        "DeePMD",
        ("deepmd-kit[torch]==3.2.0", "ase"),
        "mine:deepmd",
        {"model": "deepmd.pth"},
        """
import json, os, subprocess, sys, numpy as np
os.makedirs("deepmd/set.000", exist_ok=True)
open("deepmd/type.raw", "w").write("0\\n0\\n")
open("deepmd/type_map.raw", "w").write("Si\\n")
pair = {"box": np.eye(3).ravel() * 9, "coord": [0, 0, 0, 2.3, 0.2, 0.1], "energy": [-9.0], "force": [0] * 6}
for name, values in pair.items():
    np.save(f"deepmd/set.000/{name}.npy", np.array([values], dtype=float))
net = {"seed": 1, "precision": "float64"}
descriptor = {"type": "se_e2_a", "sel": [60], "rcut": 5.0, "rcut_smth": 1.0, "neuron": [4, 8]} | net
descriptor["axis_neuron"] = 2
settings = {
    "model": {"type_map": ["Si"], "descriptor": descriptor, "fitting_net": {"neuron": [8, 8]} | net},
    "learning_rate": {"type": "exp", "start_lr": 1e-3, "stop_lr": 1e-5, "decay_steps": 5},
    "loss": {"type": "ener", "start_pref_e": 1, "limit_pref_e": 1, "start_pref_f": 1, "limit_pref_f": 1},
    "training": {"training_data": {"systems": ["deepmd"], "batch_size": 1}, "numb_steps": 2, "save_freq": 2},
}
json.dump(settings, open("deepmd.json", "w"))
dp = os.path.join(os.path.dirname(sys.executable), "dp")
subprocess.run([dp, "--pt", "train", "deepmd.json"], check=True)
subprocess.run([dp, "--pt", "freeze", "-o", "deepmd.pth"], check=True)
""",
    ),
    Recipe(
        "ORB",
        (TORCH, "orb-models==0.5.5"),
        "mine:orb",
        {"weights_path": "orb.ckpt"},
        """
import torch
from orb_models.forcefield.pretrained import SystemConfig, orb_v3_conservative_architecture
torch.manual_seed(0)
config = SystemConfig(radius=6.0, max_num_neighbors=120)
torch.save(orb_v3_conservative_architecture(device="cpu", system_config=config).state_dict(), "orb.ckpt")
""",
        atomic=False,
    ),
)


def make_environment(folder: Path, recipe: Recipe) -> None:
    """Install packages into an environment and make weights up, unless that has been done."""
    done, wanted = folder / ".installed", "\n".join(recipe.packages)
    if not (done.is_file() and done.read_text() == wanted):
        print(f"Making {folder} with {' '.join(recipe.packages)}", flush=True)
        venv.create(folder, with_pip=True, clear=True)
        for what in recipe.packages:
            subprocess.run([folder / "bin" / "python", "-m", "pip", "install", "-q", what], check=True)
        done.write_text(wanted)
    if recipe.weights:
        subprocess.run(
            [folder / "bin" / "python", "-c", recipe.weights], check=True, capture_output=True, text=True
        )


def write_documented_functions() -> None:
    """Write the page's functions in Python into the module ``mine`` of the current folder."""
    blocks = re.findall(r"```python\n(.*?)```", DOCUMENTED.read_text(), re.DOTALL)
    Path("mine.py").write_text("\n\n".join(block for block in blocks if block.startswith("def ")))


def check(model: CalculatorModel, atomic: bool) -> list[str]:
    """Return what is wrong with a calculator, asked about a rattled crystal of silicon."""
    atoms = bulk("Si", cubic=True)
    atoms.rattle(0.1, seed=1)
    found = model.predict([Frame.from_atoms(atoms)], n_threads=1)
    wrong = [] if model.gives_atomic_energies == atomic else [f"atomic energies: {not atomic}"]
    if model.note and atomic:
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
    parser.add_argument("--only", nargs="+", choices=[recipe.name for recipe in RECIPES], default=None)
    given = parser.parse_args()
    build, picture = given.build.resolve(), given.picture and given.picture.resolve()
    build.mkdir(parents=True, exist_ok=True)
    os.chdir(build)
    write_documented_functions()
    studied, failures = [], []
    crystal = standardized(bulk("Si"))
    for recipe in RECIPES:
        if given.only and recipe.name not in given.only:
            continue
        try:
            make_environment(build / recipe.name, recipe)
            with CalculatorModel(recipe.spec(build)) as model:
                failures += [f"{recipe.name}: {what}" for what in check(model, recipe.atomic)]
                if not recipe.weights:
                    settings = PropertySettings(parts=PARTS)
                    studied.append(study_properties(model, crystal, settings, n_threads=1))
        except subprocess.CalledProcessError as error:
            failures.append(f"{recipe.name}: {error} {(error.stderr or '')[-500:]}")
        except EatlasError as error:
            failures.append(f"{recipe.name}: {error}")
    for row in rows_of(studied, EXPERIMENT):
        cells = "".join(f"{row.text(k):>14}" for k in range(len(studied)))
        print(f"{row.name:24}{cells}{row.reference_text:>14}")
    failures += [f"{p.name}, {v.title}: {v.why}" for p in studied for v in p.failed]
    if picture is not None and studied:
        figure = deviations_figure(studied, EXPERIMENT)
        assert figure is not None
        save_figure(figure, picture)
    for failure in failures:
        print(f"failed: {failure}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
