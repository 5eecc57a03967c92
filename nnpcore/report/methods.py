"""The paragraph of an article that says how a potential was made, with what it rests on."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from nnpcore.descriptors import SymmetryFunctions
from nnpcore.files import all_or_nothing, write_atomically
from nnpcore.installation import VERSION
from nnpcore.report import references
from nnpcore.report.content import counted, significant
from nnpcore.report.references import Reference
from nnpcore.report.run_info import how_split
from nnpcore.training import RunFolder
from nnpcore.training.counts import sentence_on
from nnpcore.training.data_sources import ROLES
from nnpcore.training.group_weights import sentence_on_weights
from nnpcore.training.guidance import NO_GUIDANCE
from nnpcore.training.history import EpochRecord, Rmse, best_record
from nnpcore.training.quantities import QUANTITIES, rmse_text
from nnpcore.training.stress_order import sentence_on_order

if TYPE_CHECKING:
    from nnpcore.potential import Potential
    from nnpcore.training import TrainSettings

OPTIMIZERS: dict[str, tuple[str, tuple[Reference, ...]]] = {
    "kalman": ("a block extended Kalman filter", (references.KALMAN, references.KALMAN_OF_FORCES)),
    "adam": ("Adam", (references.ADAM,)),
    "lbfgs": ("L-BFGS", (references.LBFGS,)),
}
_CITED = re.compile(r"\{([a-z0-9,]+)\}")
_TEX = {"\\": r"\textbackslash{}"} | {mark: f"\\{mark}" for mark in "&%$#_{}"} | {"~": r"\~{}", "^": r"\^{}"}
_UNITS = {"Å²": r"\AA{}$^2$", "Å": r"\AA{}", "×": r"$\times$", "²": r"$^2$", "³": r"$^3$"}


@dataclass(frozen=True)
class Methods:
    """How a potential was made.

    Attributes
    ----------
    sentences : of the paragraph; a source stands in them as {key}, several as {key,key}.
    sources : that are cited, in the order of their first mention.
    """

    sentences: tuple[str, ...]
    sources: tuple[Reference, ...]

    @property
    def text(self) -> str:
        """The paragraph with numbers in brackets, and the list they point into."""
        numbers = {source.key: str(k) for k, source in enumerate(self.sources, 1)}

        def numbered(match: re.Match[str]) -> str:
            return f"[{', '.join(numbers[key] for key in match.group(1).split(','))}]"

        paragraph = _CITED.sub(numbered, " ".join(self.sentences))
        listed = [f"[{numbers[source.key]}] {_without_tex(source.text)}" for source in self.sources]
        return "\n".join([paragraph, "", *listed])

    @property
    def latex(self) -> str:
        r"""The paragraph with ``\cite`` for LaTeX."""
        parts = _CITED.split(" ".join(self.sentences))
        return "".join(
            rf"\cite{{{part}}}" if k % 2 else _as_tex(part) for k, part in enumerate(parts)
        ).replace(r" \cite", r"~\cite")

    @property
    def bibtex(self) -> str:
        """The sources as a .bib file."""
        return "\n\n".join(source.bibtex for source in self.sources) + "\n"

    def save(self, folder: str | Path) -> list[Path]:
        """Write methods.txt, methods.tex and references.bib and return them; RunFolderError: it cannot."""
        contents = {
            "methods.txt": self.text + "\n",
            "methods.tex": self.latex + "\n",
            "references.bib": self.bibtex,
        }
        with all_or_nothing(Path(folder)) as beside:
            for name, content in contents.items():
                write_atomically(beside / name, content.encode())
        return [Path(folder) / name for name in contents]


def methods_of_run(run: str | Path) -> Methods:
    """Return how the potential in a run folder was made; nothing is computed.

    Raises
    ------
    RunFolderError, PotentialError : there is no run, it has no potential yet, or no epoch has ended.
    """
    from nnpcore.potential import Potential

    folder = RunFolder.open(run)
    potential, history = Potential.load(folder.path), folder.read_history()
    folder.refuse_unbegun(history)
    return methods(folder, potential, history)


def methods(folder: RunFolder, potential: Potential, history: Sequence[EpochRecord]) -> Methods:
    """Return how a potential was made, from what its run folder says."""
    cited: dict[str, Reference] = {}
    cite = partial(_cite, cited)
    sentences = [_networks(folder, potential, cite), _functions(folder, potential, cite)]
    if folder.imported:
        sentences.append(f"The potential was trained by another program and imported from {folder.imported}.")
    else:
        sentences += [
            _data(folder),
            _training(folder.settings, history, cite),
            _atoms(potential),
            _counts(folder),
            _weights(folder),
            _reached(history),
            _tested(potential),
        ]
    sentences += [_short_range(potential, cite), _mapped(history, cite)]
    sentences.append(f"Structures were read and handled by ASE {cite(references.STRUCTURES)}.")
    return Methods(tuple(text for text in sentences if text), tuple(cited.values()))


def _cite(cited: dict[str, Reference], *sources: Reference) -> str:
    """Return the mark of sources, which from now on stand in the list."""
    for source in sources:
        cited.setdefault(source.key, source)
    return f"{{{','.join(source.key for source in sources)}}}"


def _networks(folder: RunFolder, potential: Potential, cite: partial[str]) -> str:
    program, version = "was imported into", VERSION
    if not folder.imported:
        program, version = "was trained with", str(potential.info.get("version", VERSION))
    count = "A neural network potential"
    if potential.n_members > 1:
        count = f"An ensemble of {potential.n_members} neural network potentials"
    shapes = dict.fromkeys(
        "-".join(str(w.shape[2]) for w, _ in layers[:-1]) for layers in potential.weights.layers.values()
    )
    elements = ", ".join(potential.elements)
    return (
        f"{count} of Behler-Parrinello type {cite(references.NETWORKS)} for {elements} {program} Eatlas "
        f"{version} {cite(references.eatlas(version))}, with hidden layers of {' or '.join(shapes)} nodes "
        f"and {potential.weights.activation} activation."
    )


def _functions(folder: RunFolder, potential: Potential, cite: partial[str]) -> str:
    counts = dict.fromkeys(potential.functions.count(element) for element in potential.elements)
    number = " or ".join(map(str, counts))
    text = (
        f"Atoms were described by {number} atom-centered symmetry functions "
        f"{cite(references.SYMMETRY_FUNCTIONS)}{' an element' if len(potential.elements) > 1 else ''} within "
        f"{potential.cutoff:g} Å"
    )
    automatic = not folder.imported and folder.settings.descriptors.preset == "auto"
    if automatic and made_from_data(potential.functions):
        text += f", chosen from the data by CUR decomposition {cite(references.CHOICE)}"
    return text + "."


def made_from_data(functions: SymmetryFunctions) -> bool:
    """Return whether these are none of preset 26, which the preset auto may take, too."""
    return functions != SymmetryFunctions.preset("26", functions.elements, functions.cutoff)


def _data(folder: RunFolder) -> str:
    """Return which frames were used; their hashes tell them from any others."""
    parts = []
    for role in ROLES:
        sources = [source for source in folder.sources if source.role == role]
        if sources:
            number = sum(len(source.indices) for source in sources)
            hashes = ", ".join(source.fingerprint[:12] for source in sources)
            parts.append(f"{counted(number, 'frame')} for {role} (SHA-256 {hashes})")
    *most, last = parts or ["not recorded"]
    split = f"The data were {' and '.join([', '.join(most), last] if most else [last])}"
    how = how_split(folder.sources, folder.settings, folder.drawn)
    return f"{split}, split {how}." if how else f"{split}."


def _weights(folder: RunFolder) -> str:
    texts = (sentence_on_weights(folder.settings.group_weights), sentence_on_order(folder.settings))
    return " ".join(f"{text}." for text in texts if text)


def _atoms(potential: Potential) -> str:
    """Return what energies count from."""
    origin = potential.info.get("atom_energies")
    listed = ", ".join(f"{e} {value:.6g} eV" for e, value in potential.element_energies.items())
    if origin in ("given", "frames"):
        return f"The zero of energy is that of isolated atoms, {listed}."
    return f"Each element has an energy from least squares, {listed}." if origin == "fitted" else ""


def _counts(folder: RunFolder) -> str:
    return f"{sentence_on(folder.counts)}." if folder.counts else ""


def _training(settings: TrainSettings, history: Sequence[EpochRecord], cite: partial[str]) -> str:
    name = history[-1].optimizer if history else settings.optimizer
    optimizer, sources = OPTIMIZERS.get(name, (name, ()))
    weights = {
        "energy": settings.energy_weight, "force": settings.force_weight, "stress": settings.loss_weights[2],
    }  # fmt: skip
    used = ", ".join(f"{quantity} {weight:g}" for quantity, weight in weights.items() if weight)
    by = f"{optimizer} {cite(*sources)}" if sources else optimizer
    text = f"The weights were found by {by} on a loss of mean squared errors with the weights {used}"
    if settings.l2:
        text += f", with an L2 strength of {settings.l2:g}"
    text += "."
    refused = (m.text.startswith(NO_GUIDANCE) for record in history for m in record.messages)
    if settings.guidance and not any(refused):
        text += (
            " Atomic energies that totals and forces leave open followed a sparse Gaussian process "
            f"{cite(references.PROCESS)} of the same frames, with a weight of {settings.guidance:g}."
        )
        if settings.spread_cost and settings.n_members > 1:
            text += " Members differ by draws of this process."
    if settings.baseline != "none":
        text += f" A {settings.baseline} function of the inputs in closed form lay under the networks."
    return text


def _short_range(potential: Potential, cite: partial[str]) -> str:
    if potential.short_range is None:
        return ""
    pairs = ", ".join(f"{'-'.join(p.elements)} {p.outer:g} Å" for p in potential.short_range.pairs)
    return (
        f"Below the distances of the data a screened repulsion of nuclei {cite(references.SHORT_RANGE)} lies "
        f"under the networks, joined smoothly to zero ({pairs}).{_crowding(potential, cite)}"
    )


def _crowding(potential: Potential, cite: partial[str]) -> str:
    if potential.short_range is None or not potential.short_range.crowding:
        return ""
    return (
        " Atoms that are more crowded by neighbors than any in the data are lifted by an embedding function "
        f"{cite(references.EMBEDDING)}, which is zero below."
    )


def _reached(history: Sequence[EpochRecord]) -> str:
    record = best_record(history)
    if record is None:
        return ""
    met, reached = _means(record.train), _means(record.valid)
    if not reached:
        text = f"In epoch {record.epoch} the RMSE of the mean prediction was {met} on training frames as they"
        return f"{text} were met." if met else ""
    beside = f" ({met} on training frames as they were met)" if met else ""
    epochs = counted(record.epoch, "epoch")
    return f"After {epochs} the RMSE of the mean prediction was {reached} on validation frames{beside}."


def _means(rmses: Mapping[str, Rmse]) -> str:
    return ", ".join(
        f"{significant(rmses[name]['mean'])} {quantity.unit} ({name})"
        for name, quantity in QUANTITIES.items()
        if name in rmses
    )


def _tested(potential: Potential) -> str:
    """Return the errors on the test frames, where there were any."""
    test = potential.info.get("test")
    if not isinstance(test, dict) or not rmse_text(test):
        return ""
    number = counted(int(test.get("n_frames", 0)), "test frame")
    return f"On {number}, which no choice had seen, the mean prediction had an RMSE of {rmse_text(test)}."


def _mapped(history: Sequence[EpochRecord], cite: partial[str]) -> str:
    """Return how wrong the monitored atomic energies were, where any were monitored."""
    record = best_record(history)
    if record is None or not record.mapping:
        return ""
    largest = max(abs(error) for error in record.mapping.values())
    return (
        "Atomic energies were compared with the reference at invariant points, where it knows them "
        f"{cite(references.MAPPING)}: the largest of {counted(len(record.mapping), 'mapping error')} was "
        f"{significant(largest)} meV/atom."
    )


def _as_tex(text: str) -> str:
    """Return plain text so that LaTeX prints it as it is."""
    escaped = "".join(_TEX.get(mark, mark) for mark in text)
    for unit, tex in _UNITS.items():
        escaped = escaped.replace(unit, tex)
    return escaped


def _without_tex(text: str) -> str:
    """Return a reference without the marks that BibTeX needs for accents."""
    for tex, letter in {"{\\'e}": "é", "{\\'o}": "ó", "{\\'a}": "á", "--": "–"}.items():
        text = text.replace(tex, letter)
    return text.replace("{", "").replace("}", "")
