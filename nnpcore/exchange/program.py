"""What every program's folder in this room offers: potentials written, read back, read, and run by LAMMPS."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from nnpcore.exchange.lammps_styles import LammpsStyle, crowding_styles, pair_lines, short_range_styles
from nnpcore.exchange.member_folders import member_names
from nnpcore.installation import filled

if TYPE_CHECKING:
    from nnpcore.potential import Potential
    from nnpcore.training import TrainingValues

_N_CHECKED = 300


class Program:
    """A program that potentials go to and come from; errors are those of its own functions.

    Attributes
    ----------
    name : as the command line takes it and a run folder keeps it. title : as the window shows it.
    about : what is written, in words.
    marker : the file by which a folder is known. reads : whether its potentials are read.
    has_scaling, has_units : whether there is a choice of the inputs' scaling; of units and epoch.
    pair_style : of LAMMPS that runs it, or "". member_file : what its input names of a member's folder, "."
        the folder itself.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    about: ClassVar[str]
    marker: ClassVar[str] = ""
    reads: ClassVar[bool] = True
    has_scaling: ClassVar[bool] = False
    has_units: ClassVar[bool] = False
    pair_style: ClassVar[str] = ""
    member_file: ClassVar[str] = "."

    @property
    def full_title(self) -> str:
        """The title, with the pair style of LAMMPS that runs it."""
        return f"{self.title} (LAMMPS: pair_style {self.pair_style})" if self.pair_style else self.title

    def write(
        self, potential: Potential, folder: Path, values: TrainingValues | None, scaling: str
    ) -> list[Path]:
        """Write a potential into a folder and return the files; ``values`` are of the training atoms."""
        raise NotImplementedError

    def readme(self, potential: Potential) -> str:
        """Return the text that explains what was written: its own of ``resources/templates/readme``."""
        places = member_names(potential.n_members, self.member_file)
        return filled(f"readme/{self.name}.md", potential=potential, program=self, places=places)

    def read(self, paths: Sequence[Path], units: str | None = None, epoch: int | None = None) -> Potential:
        """Read the members of one ensemble."""
        raise NotImplementedError

    def holds(self, path: Path) -> bool:
        """Whether a path is one of its potentials."""
        return bool(self.marker) and (path / self.marker).is_file()

    def lammps_lines(self, potential: Potential, places: list[str]) -> list[str]:
        """Return LAMMPS input that runs members' files; several are a committee, whose mean moves the atoms.

        Beside them stands the repulsion at short range, where the potential has one.
        """
        members = [self.lammps_style(potential, place) for place in places]
        crowding = crowding_styles(potential, places[0], is_folder=self.member_file == ".")
        return pair_lines(members, [*short_range_styles(potential), *crowding])

    def lammps_style(self, potential: Potential, place: str) -> LammpsStyle:
        """Return how LAMMPS runs one member's file."""
        raise NotImplementedError

    def difference(self, potential: Potential, files: Sequence[Path], values: TrainingValues | None) -> float:
        """Read files back and return the largest difference of atomic energies, eV.

        They are those of training atoms, or of atoms around the mean ones.
        """
        folders = list(dict.fromkeys(file.parent for file in files))
        return largest_difference(
            potential, self.read(folders, "angstrom-ev" if self.has_units else None), values
        )


def largest_difference(potential: Potential, back: Potential, values: TrainingValues | None) -> float:
    """Return the largest difference of two potentials' atomic energies, eV."""
    worst = 0.0
    rng = np.random.default_rng(0)
    for e, element in enumerate(potential.elements):
        functions = potential.functions.functions[element]
        rows = _rows_of(potential, values, e, rng)
        order = [functions.index(f) for f in back.functions.functions[element]]
        turned = np.zeros_like(rows)
        turned[:, : len(order)] = rows[:, order]
        species = np.full(len(rows), e)
        found = potential.atomic_energies_of(rows, species) - back.atomic_energies_of(turned, species)
        worst = float(np.maximum(worst, np.abs(found).max(initial=0.0)))  # NaN stays NaN
    return worst


def _rows_of(
    potential: Potential, values: TrainingValues | None, e: int, rng: np.random.Generator
) -> np.ndarray:
    if values is not None and (values.species == e).any():
        rows = values.values[values.species == e]
        return rows[rng.permutation(len(rows))[:_N_CHECKED]]
    rows = np.zeros((20, potential.functions.n_descriptors))
    n_f = potential.functions.count(potential.elements[e])
    mean = potential.whitening.mean[e, :n_f]
    rows[:, :n_f] = mean * (1 + 0.05 * rng.standard_normal((20, n_f)))
    return rows
