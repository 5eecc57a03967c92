"""The section of a report that tells what the potential says of a crystal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nnpcore.figures.properties import property_figures
from nnpcore.properties import Properties, Reference
from nnpcore.properties.comparing import NOTHING, left_out, rows_of
from nnpcore.report.content import Block, Picture, Section, Table, Text, sentence

_CAPTIONS = {
    "deviations": ("Deviations from the reference", "Lines: one standard deviation of the ensemble."),
    "phonons": ("Phonon dispersion", "Imaginary frequencies are negative."),
    "eos": ("Energy against volume", "Shade: one standard deviation of the ensemble."),
    "rdf": ("Radial distribution at constant energy", ""),
    "drift": ("Total energy at constant energy", ""),
}


@dataclass(frozen=True, eq=False)
class StudiedProperties:
    """Models that were studied on one crystal, and what they are compared with."""

    models: Sequence[Properties]
    reference: Reference | None = None


def property_section(studied: StudiedProperties) -> Section:
    """Return table and figures, then what could not be computed and what has to be known."""
    models, reference = studied.models, studied.reference
    rows = rows_of(models, reference)
    beside = () if reference is None else (reference.name,)
    off = reference is not None and len(models) == 1
    head = ("Property", *(model.name for model in models), *beside, *(("off",) if off else ()))
    cells = tuple(
        (
            row.name,
            *(row.text(k) for k in range(len(models))),
            *((row.reference_text,) if beside else ()),
            *((_percent(row.error(0), row.reference),) if off else ()),
        )
        for row in rows
    )
    blocks: list[Block] = [Text(f"The crystal is {models[0].crystal}, relaxed by each potential for itself.")]
    blocks.append(Table(head, cells, caption="Values ± one standard deviation over the ensemble's members."))
    for name, figure in property_figures(models, reference).items():
        alt, caption = _CAPTIONS[name]
        blocks.append(Picture(figure, alt, caption or alt))
    blocks += [Text(line.rstrip(".") + ".", missing=True) for line in left_out(models)]
    blocks += [Text(f"{model.name}: {sentence(note)}") for model in models for note in model.notes]
    return Section("Properties", tuple(blocks))


def _percent(error: float | None, reference: float | None) -> str:
    if error is None or not reference:
        return NOTHING
    return f"{100.0 * error / abs(reference):+.1f} %"
