"""What a user chooses about a training: one frozen record, checked when it is made, kept as TOML."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import Field, field_validator, model_validator

from nnpcore.errors import SettingsError
from nnpcore.files import read_regular, write_atomically
from nnpcore.training.declared import Declared, Option, Setting, Shown, Swept, declarations

if TYPE_CHECKING:
    from nnpcore.structures.frame import Frame
    from nnpcore.structures.splits import Parts

DEVICES = "auto, cpu, cuda, cuda:0, cuda:1 and so on"
_LARGEST_FILE = 10_000_000
_LONG_KEY = re.compile(rb"^[\s\[]*(?:[^\s.=\"'#\[\]]*\s*\.\s*){32}", re.MULTILINE)
"""Keys such as a.b.c; parsing one of thousands of parts takes minutes."""
_WHOLE_RECORD = {"descriptors", "hidden", "n_members", "seed", "optimizer", "valid_fraction", "kalman"}
"""Names that every written record has, and hardly a file somebody typed."""

AS_IN_VERSION_0_2: dict[str, Any] = {
    "descriptors.preset": "26",
    "stress_weight": 0.0,
    "input_floor": 0.01,
    "guidance": 0.0,
    "short_range": "off",
    "baseline": "linear",
    "kalman.noise": 0.0,
    "kalman.initial_covariance": 100.0,
    "kalman.forgetting": 0.98,
}
"""Changes for ``TrainSettings.replace`` that give networks as version 0.2 trained them by default."""

_LAYERS = Setting("the number of hidden layers", 1, 8)


class DescriptorSettings(Declared):
    """Which symmetry functions describe an atom: made from the data, a preset, or an explicit table.

    ``functions`` is ``SymmetryFunctions.to_dict()`` and comes first; None for the preset: "auto" is chosen by
    :mod:`nnpcore.training.choosing` when the training is prepared, and its table then stands in the run's
    settings; "26" is that of ``SymmetryFunctions.preset``. ``cutoff`` None: that of the data, or 6 Å.
    """

    prefix = "descriptors."

    # fmt: off
    preset: Annotated[str, Setting(
        "the set of symmetry functions",
        choices={"auto": "Automatic", "26": "Preset 26", "table": "Table…"},
        option=Option("Symmetry functions: auto (chosen by the data) or 26 (default {default})."),
    )] = "auto"
    cutoff: Annotated[float | None, Setting(
        "the cutoff radius in Å", 1.0, 20.0, unit="Å",
        shown=Shown("Symmetry functions", "Cutoff (Å)",
                    "Radius within which neighbors count; empty: as the distances suggest, 6 Å for preset 26",
                    "automatic"),
        option=Option("Their cutoff radius, Å (default: as the distances suggest; 6 for preset 26)."),
    )] = None
    functions: dict[str, Any] | None = None
    # fmt: on

    @field_validator("functions", mode="before")
    @classmethod
    def _plain(cls, functions: Any) -> Any:
        """Turn tuples into the lists a file would give, so that equal tables compare equal."""
        return json.loads(json.dumps(functions, default=float)) if isinstance(functions, dict) else functions

    @model_validator(mode="before")
    @classmethod
    def _of_a_table(cls, values: Any) -> Any:
        """Take a table without more for what it is."""
        if isinstance(values, dict) and values.get("functions") is not None:
            return {"preset": "table"} | values
        return values

    @model_validator(mode="after")
    def _check_table(self) -> Self:
        if self.preset == "table" and self.functions is None:
            raise SettingsError(
                "there is no table of symmetry functions",
                where="descriptors.functions",
                fix="Give one, or choose the preset auto or 26",
            )
        return self


class GroupWeights(Declared):
    """How many times what is known of a group's frames counts in the loss; a number alone is for all three.

    The means of the loss are weighted ones: only how groups compare matters, not all weights together.
    """

    prefix = "group_weights."

    # fmt: off
    energy: Annotated[float, Setting("how many times the energies of a group count", 0.0, 1e6)] = 1.0
    forces: Annotated[float, Setting("how many times the forces of a group count", 0.0, 1e6)] = 1.0
    stress: Annotated[float, Setting("how many times the stresses of a group count", 0.0, 1e6)] = 1.0
    # fmt: on

    @model_validator(mode="before")
    @classmethod
    def _of_a_number(cls, values: Any) -> Any:
        """Take a number for all three; a table has a number for what it names."""
        named = {f".{k}": v for k, v in values.items()} if isinstance(values, dict) else {"": values}
        for name, value in named.items():
            if isinstance(value, bool) or not isinstance(value, int | float | cls):
                raise SettingsError(
                    f"{json.dumps(value, default=str)} is no weight",
                    where=f"{cls.__name__}{name}",
                    fix="Write a number, or numbers for what it weighs: {energy = 5, forces = 2}",
                )
        return dict.fromkeys(cls.model_fields, values) if isinstance(values, int | float) else values

    @property
    def numbers(self) -> tuple[float, float, float]:
        """Those of energy, forces and stress."""
        return self.energy, self.forces, self.stress


class LeftOut(Declared):
    """A frame that is left out of a training and its validation: its file's name, its index there, and why.

    ``fingerprint`` is the beginning of a hash of its structure and energy, by which it is found in other
    files, too; empty: whatever is in that place.
    """

    prefix = "left_out."

    # fmt: off
    file: str
    frame: Annotated[int, Setting("the index of a frame in its file", 0, 2**53)]
    fingerprint: str = ""
    why: str = ""
    # fmt: on


PRESET_26 = DescriptorSettings(preset="26")
"""What version 0.2 took by default; the paper's studies and the benchmarks name it."""


class KalmanSettings(Declared):
    """Choices of the block extended Kalman filter; the defaults suit tens to thousands of frames.

    A block holds neighboring neurons of a layer; a size above all weights of a layer is the filter by layers;
    what does not fit into ``memory_gb`` is made smaller.

    What a row says counts by its noise: ``noise`` times the mean square of what the member's rows have left
    lately, so that early rows, which are fitted badly, weigh little, and the variance ``initial_covariance``
    of what no row determines is never inflated. 0 holds the noise at 1, the mean square of rows before the
    training. The forgetting factor's distance to 1 shrinks by ``forgetting_decay`` with every frame.
    """

    prefix = "kalman."

    # fmt: off
    block_size: Annotated[int, Setting(
        "the number of weights whose covariances are kept together", 10, 100_000,
    )] = 480
    rows_per_frame: Annotated[int, Setting(
        "the number of random force projections of a frame and step", 1, 1000,
    )] = 8
    initial_covariance: Annotated[float, Setting(
        "the variance of a weight before the first step", 1e-6, 1e9,
    )] = 10.0
    forgetting: Annotated[float, Setting("the forgetting factor of the first frame", 0.5, 1.0)] = 1.0
    forgetting_decay: Annotated[float, Setting(
        "the shrinking of the forgetting with every frame", 0.0, 1.0,
    )] = 0.9987
    noise: Annotated[float, Setting(
        "the noise of a row as a multiple of the mean square of what rows leave", 0.0, 1e6,
    )] = 1.0
    # fmt: on


class TrainSettings(Declared):
    """Everything a training needs beside its frames.

    The loss is ``w_E mean((ΔE/N)²) + w_F mean(|ΔF|²) + w_S mean(|Δσ|²) + l2 |w|²`` in eV, eV/Å, eV/Å³; only
    the ratios of the three weights matter for the Kalman filter. Where ``stress_weight`` is None, the stress
    counts if it can be trusted (:mod:`nnpcore.training.stress`). Member m starts from the m-th stream of
    ``seed``.

    The baseline lies under the networks: a function of their inputs, solved in closed form on the same loss,
    "linear", "quadratic" (with products of the first components) or "kernel" (with Gaussians about some
    training atoms); see :mod:`nnpcore.training.baseline.fitting`. After ``baseline_epochs`` (None = the
    optimizer's usual number) the networks' atomic energies are moved onto its own; 0 puts it under them from
    the start. By ``baseline_spread`` members differ in what the data leave open about the linear part, in
    standard deviations; 0 = all alike; Kalman filter only.

    Below the distances of the data ``short_range`` lays a repulsion of nuclei under the networks, see
    :mod:`nnpcore.training.short_range`. ``short_range_pairs`` has pairs of elements, such as "O-Si", that
    differ from that: "off", "on", "auto", or the two distances, Å, between which it is joined to zero.

    ``group_weights`` say how many times energies, forces and stresses of a group count, groups being told by
    ``group_key``; ``left_out`` names frames that are not trained on. ``stress_order`` has groups whose
    stresses stand in another order than they are said to, with what their places of yz, xz and xy hold, such
    as "xz yz xy", or "none" where they are not used; found by :mod:`nnpcore.training.stress`.

    Progress, for ``patience``, is a better validation score of some member, or, with a monitor, a largest
    mapping error at least 1 % below the best so far.
    """

    # fmt: off
    descriptors: DescriptorSettings = DescriptorSettings()
    hidden: Annotated[tuple[int, ...], Setting(
        "the width of a hidden layer", 1, 1000,
        shown=Shown("Network", "Hidden layers", "Widths of the hidden layers, e.g. 30, 30"),
        option=Option("Widths of the hidden layers (default {default}).", metavar="N-N"),
        swept=Swept("Hidden widths", "hidden", "5-5, 10-10, 30-30",
                    "Widths of the hidden layers, joined by hyphens", logarithmic=False),
    )] = (30, 30)
    input_floor: Annotated[float, Setting(
        "the smallest deviation of a network input that is stretched to 1, relative to the largest",
        1e-4, 1.0,
        shown=Shown("Network", "Input floor",
            "Directions in which symmetry functions vary less than this part of the most are not stretched: "
            "small values let noise speak as loudly as the rest"),
        option=Option("Smallest deviation of an input that is stretched (default {default})."),
        swept=Swept("Input floor", "floor", "0.1, 0.3, 0.5, 1",
                    "Directions in which symmetry functions vary less than this part of the most are not "
                    "stretched"),
    )] = 0.5
    activation: Annotated[str, Setting(
        "the function of the hidden layers",
        choices={"tanh": "tanh", "softplus": "softplus", "sigmoid": "sigmoid", "gaussian": "Gaussian"},
        shown=Shown("Network", "Activation", "Function of the hidden layers"),
    )] = "tanh"
    n_members: Annotated[int, Setting(
        "the number of networks in the ensemble", 1, 64,
        shown=Shown("Network", "Members",
                    "Networks in the ensemble: their mean predicts, their spread tells how sure they are"),
        option=Option("Networks in the ensemble (default {default}).", "--members"),
    )] = 5
    energy_weight: Annotated[float, Setting(
        "the weight of the energies in the loss", 0.0, 1e9,
        shown=Shown("Loss weights", "Energy", "Weight of (ΔE/N)², eV²"),
        option=Option("Weight of the energies in the loss."),
    )] = 1.0
    force_weight: Annotated[float, Setting(
        "the weight of the forces in the loss", 0.0, 1e9,
        shown=Shown("Loss weights", "Force", "Weight of |ΔF|², (eV/Å)²; 0 leaves forces out"),
        option=Option("Weight of the forces in the loss."),
        swept=Swept("Force weight : energy weight", "f:e", "0, 1e-4, 5e-3, 0.1",
                    "Weight of |ΔF|² in (eV/Å)² over that of (ΔE/N)² in eV²"),
    )] = 0.005
    stress_weight: Annotated[float | None, Setting(
        "the weight of the stresses in the loss", 0.0, 1e9,
        shown=Shown("Loss weights", "Stress",
                    "Weight of |Δσ|², (eV/Å³)²; 0 leaves stress out; empty: it counts where energies and "
                    "forces confirm it", "automatic"),
        option=Option("Weight of the stresses (default: they count where energies and forces confirm sign, "
                      "unit and pressure; 0 leaves them out)."),
    )] = None
    l2: Annotated[float, Setting(
        "the weight of the squared network weights in the loss", 0.0, 1e6,
        shown=Shown("Loss weights", "L2", "Weight of the squared network weights"),
        option=Option("Weight of the squared network weights in the loss (default {default})."),
        swept=Swept("L2 strength", "l2", "0, 1e-6, 1e-4, 1e-2",
                    "Weight of the squared network weights in the loss"),
    )] = 0.0
    baseline: Annotated[str, Setting(
        "what lies under the networks",
        choices={"none": "None", "linear": "Linear", "quadratic": "Quadratic", "kernel": "Kernel"},
        old=("smooth",),
        shown=Shown("Loss weights", "Baseline",
            "A function in closed form under the networks, for atomic energies that the data leave open"),
        option=Option("Baseline under the networks: none, linear, quadratic or kernel (default {default})."),
    )] = "none"
    baseline_ridge: Annotated[float | None, Setting(
        "the ridge of the baseline under the networks", 1e-12, 1e3, unit="eV²", old=("smooth_ridge",),
        shown=Shown("Loss weights", "Its ridge",
                    "Ridge of the baseline (eV²); empty: chosen by the evidence", "automatic"),
        option=Option("Its ridge, eV² (default: chosen by the evidence)."),
        swept=Swept("Ridge of the baseline", "ridge", "1e-9, 1e-6, 1e-3, 1",
                    "Ridge (eV²) of the function in closed form under the networks"),
    )] = None
    baseline_components: Annotated[int, Setting(
        "the number of components in quadratic terms", 1, 64, old=("smooth_components",),
    )] = 8
    baseline_epochs: Annotated[int | None, Setting(
        "the number of epochs before the baseline", 0, 100_000, old=("smooth_epochs",),
        option=Option("Epochs before it is put under the networks; 0: at once."),
    )] = None
    baseline_spread: Annotated[float, Setting(
        "the spread of the members' baselines", 0.0, 100.0, old=("smooth_spread",),
    )] = 1.0
    guidance: Annotated[float, Setting(
        "the weight of the guidance by a Gaussian process", 0.0, 1e6,
        shown=Shown("Loss weights", "Guidance",
                    "How much atomic energies that the data leave open follow a Gaussian process; 0: none"),
        option=Option("Weight of the guidance by a Gaussian process (default {default}; 0: none)."),
        swept=Swept("Weight of the guidance", "guide", "0, 0.1, 0.3, 1",
                    "How much atomic energies that the data leave open follow a Gaussian process"),
    )] = 0.1
    spread_cost: Annotated[float, Setting(
        "the share of the loss that differing may cost a member", 0.0, 10.0,
        option=Option("Share of its loss that a member may lose by differing from the others as far as the "
                      "data leave them open (default {default}; 0: nothing)."),
        swept=Swept("Cost of the spread", "spread", "0, 0.1, 0.3",
                    "How much members may lose by differing as far as the data leave them open"),
    )] = 0.03
    short_range: Annotated[str, Setting(
        "the repulsion of nuclei under the networks, for atoms closer than any data",
        choices={"auto": "Automatic", "on": "On", "off": "Off"},
        shown=Shown("Network", "Short range",
                    "A repulsion of nuclei (ZBL) where atoms come closer than in any data, of which networks "
                    "know nothing. Zero where data are; automatic leaves compressed crystals to the "
                    "networks, too"),
        option=Option("Repulsion of nuclei (ZBL) below the distances of the data: off, on or auto, which "
                      "leaves compressed crystals to the networks (default {default})."),
    )] = "auto"
    short_range_pairs: dict[str, str | tuple[float, float]] = Field(default_factory=dict)
    atom_energies: Annotated[str, Setting(
        "the energies of isolated atoms, in eV", resumable=True,
        shown=Shown("Training", "Atom energies",
                    "Energies of isolated atoms that energies count from, such as Si=-0.12, O=-1.9 (eV); "
                    "auto: of frames of one atom where there are any, else fitted; fitted: never of frames"),
        option=Option("Energies of isolated atoms: auto (of frames of one atom, else fitted), frames, "
                      "fitted, or Si=-0.12,O=-1.9 in eV (default {default}).", metavar="HOW"),
    )] = "auto"
    optimizer: Annotated[str, Setting(
        "the optimizer",
        choices={"auto": "Automatic", "kalman": "Kalman filter", "adam": "Adam", "lbfgs": "L-BFGS"},
        shown=Shown("Training", "Optimizer",
                    "Automatic takes the Kalman filter where its matrices fit into memory, else Adam"),
        option=Option("auto, kalman, adam or lbfgs (default {default})."),
    )] = "auto"
    device: Annotated[str, Setting(
        "where the training runs", choices={"auto": "Automatic", "cpu": "CPU", "cuda": "CUDA"}, open=True,
        resumable=True,
        shown=Shown("Training", "Device",
                    "Where the training runs; automatic takes a graphics card where there is one"),
        option=Option("auto, cpu, cuda, cuda:1 or mps (default {default})."),
    )] = "auto"
    epochs: Annotated[int | None, Setting(
        "the number of passes over the training frames", 1, 100_000, resumable=True,
        shown=Shown("Training", "Epochs",
                    "Passes over the training frames; empty: the optimizer's usual number", "automatic"),
        option=Option("Passes over the training frames."),
    )] = None
    patience: Annotated[int | None, Setting(
        "the number of epochs without progress before training ends", 1, 100_000, resumable=True,
        shown=Shown("Training", "Patience",
                    "Epochs without a better validation score before training ends; empty: never",
                    "never stop early"),
    )] = None
    valid_fraction: Annotated[float, Setting(
        "the part of the training frames put aside for validation", 0.0, 0.99,
        shown=Shown("Training", "Validation (%)",
                    "Part of the training frames put aside where no file has the role Validation",
                    percent=True),
        option=Option("Part of DATA for validation (default {default})."),
    )] = 0.3
    test_fraction: Annotated[float, Setting(
        "the part of the training frames put aside for the test", 0.0, 0.99,
        shown=Shown("Training", "Test (%)",
                    "Part of the training frames put aside for a test that no choice sees, where no file has "
                    "the role Test; its errors are shown at the end",
                    percent=True),
        option=Option("Part of DATA for a test that no choice sees, shown at the end (default {default})."),
    )] = 0.0
    split: Annotated[str, Setting(
        "what stays together when frames are put aside",
        choices={"frames": "Frames", "blocks": "Blocks of time", "groups": "Groups", "files": "Files"},
        shown=Shown("Training", "Split by",
                    "Frames of a trajectory resemble their neighbors: a split by blocks of time, by groups "
                    "(config_type, group, tag) or by files tells more honestly what is not known yet"),
        option=Option("What stays together in the split: frames, blocks, groups, files (default {default})."),
    )] = "frames"
    folds: Annotated[int | None, Setting(
        "the number of parts of a cross-validation", 2, 1000,
        shown=Shown("Training", "Folds",
                    "Parts of a cross-validation; one of them is for validation. Empty: a share is drawn",
                    "a share"),
        option=Option("Parts of a cross-validation (default: a share of DATA is drawn)."),
    )] = None
    fold: Annotated[int, Setting(
        "the part that is for validation, from 1", 1, 1000,
        shown=Shown("Training", "Fold", "Which of the folds is for validation, from 1"),
        option=Option("Which of the folds is for validation, from 1."),
        swept=Swept("Fold", "fold", "1, 2, 3, 4, 5", "Which of the folds is for validation, from 1",
                    logarithmic=False),
    )] = 1
    group_key: Annotated[str, Setting(
        "what says which group a frame belongs to",
        choices={"auto": "First found", "config_type": "config_type", "group": "group", "tag": "tag",
                 "file": "File"},
        open=True,
        shown=Shown("Training", "Groups by",
                    "Value of the frames' files that says their group, any name; first found: config_type, "
                    "group or tag, else the file"),
        option=Option("Value of the frames that says their group, by any name, or file "
                      "(default {default}: config_type, group or tag, else the file)."),
    )] = "auto"
    group_weights: dict[str, GroupWeights] = Field(default_factory=dict)
    left_out: tuple[LeftOut, ...] = ()
    stress_order: dict[str, str] = Field(default_factory=dict)
    seed: Annotated[int, Setting(
        "the seed of the random numbers", 0, 2**31 - 1,
        shown=Shown("Training", "Seed", "Seed of the random numbers"),
        option=Option("Of the split and the first weights (default {default})."),
        swept=Swept("Seed", "seed", "0, 1, 2, 3",
                    "Seed of the random numbers: how much of a difference is chance", logarithmic=False),
    )] = 0
    batch_frames: Annotated[int | None, Setting(
        "the number of frames in one step", 1, 1_000_000,
        shown=Shown("Training", "Frames a step",
                    "Frames in one step of the optimizer; empty: its usual number", "automatic"),
    )] = None
    learning_rate: Annotated[float | None, Setting(
        "the length of Adam's first steps", 1e-8, 10.0,
        shown=Shown("Training", "Learning rate", "Length of Adam's first steps; empty: its usual one",
                    "automatic"),
        swept=Swept("Learning rate (Adam)", "rate", "1e-4, 3e-4, 1e-3, 3e-3",
                    "Length of Adam's first steps; the sweep trains by Adam"),
    )] = None
    n_threads: Annotated[int | None, Setting(
        "the number of processor threads", 1, 1024, resumable=True,
        option=Option("Processor threads (default all).", "--threads"),
    )] = None
    derivatives: Annotated[str, Setting(
        "where the derivatives of the symmetry functions are kept",
        choices={"auto": "Automatic", "memory": "Memory", "disk": "Disk", "recompute": "Nowhere"},
        resumable=True,
        shown=Shown("Training", "Derivatives",
                    "Automatic keeps them in memory where they fit, else on disk; nowhere: they are "
                    "worked out anew in every epoch. The numbers are the same"),
        option=Option("Where derivatives are kept: auto, memory, disk or recompute (default {default})."),
    )] = "auto"
    memory_gb: Annotated[float, Setting(
        "the memory the optimizer may take, in GB", 0.1, 10_000.0, unit="GB",
    )] = 1.0
    kalman: KalmanSettings = KalmanSettings()
    # fmt: on

    @model_validator(mode="before")
    @classmethod
    def _hard_inputs(cls, values: Any) -> Any:
        """Read a whole record of Eatlas 0.2 or before as what it was: hard inputs, rows of constant noise."""
        if not isinstance(values, dict) or "input_floor" in values:
            return values
        kalman = values.get("kalman")
        if not isinstance(kalman, dict) or "noise" in kalman or not values.keys() >= _WHOLE_RECORD:
            return values
        return {"input_floor": 0.01, "guidance": 0.0} | values | {"kalman": kalman | {"noise": 0.0}}

    @model_validator(mode="before")
    @classmethod
    def _same_data_for_all(cls, values: Any) -> Any:
        """Read a whole record from before members' data differed as what it was."""
        if not isinstance(values, dict) or not values.keys() >= _WHOLE_RECORD:
            return values
        return {"spread_cost": 0.0} | values

    @model_validator(mode="before")
    @classmethod
    def _nothing_below(cls, values: Any) -> Any:
        """Read a whole record from before the short range as what it was."""
        if not isinstance(values, dict) or not values.keys() >= _WHOLE_RECORD:
            return values
        return {"short_range": "off"} | values

    @model_validator(mode="before")
    @classmethod
    def _linear_ridge(cls, values: Any) -> Any:
        """Read what Eatlas 0.1 wrote: a linear baseline from the start, the same for all members, or none."""
        if not isinstance(values, dict) or "linear_ridge" not in values:
            return values
        values = dict(values)
        ridge = values.pop("linear_ridge")
        kind = "none" if ridge is None else "linear"
        return values | {
            "baseline": kind,
            "baseline_ridge": ridge,
            "baseline_epochs": 0,
            "baseline_spread": 0.0,
        }

    @field_validator("atom_energies", mode="before")
    @classmethod
    def _of_atoms(cls, values: Any) -> Any:
        """Take a table of elements, too, and check what is written."""
        from nnpcore.training.atom_energies import parsed

        text = ", ".join(f"{e}={v}" for e, v in values.items()) if isinstance(values, dict) else values
        if isinstance(text, str):
            parsed(text)
        return text

    @field_validator("group_weights", mode="before")
    @classmethod
    def _of_groups(cls, values: Any) -> Any:
        """Check the weights of each group, whose name stands in the message."""
        if not isinstance(values, dict):
            return values
        found = {}
        for group, value in values.items():
            try:
                found[str(group)] = GroupWeights.model_validate(value)
            except SettingsError as error:
                name = error.where.removeprefix(GroupWeights.prefix).removeprefix(GroupWeights.__name__)
                where = f"{GroupWeights.prefix}{group}"
                where = f"{where}.{name.removeprefix('.')}" if name else where
                raise SettingsError(error.what, where=where, fix=error.fix) from None
        return {group: weights for group, weights in found.items() if set(weights.numbers) != {1.0}}

    @model_validator(mode="after")
    def _check(self) -> Self:
        _LAYERS.check(len(self.hidden), "hidden")
        if not any(self.loss_weights):
            raise SettingsError(
                "all weights of the loss are zero, so there is nothing to learn",
                where="energy_weight, force_weight, stress_weight",
                fix="Give at least one of them a positive value",
            )
        if self.folds is not None and self.fold > self.folds:
            raise SettingsError(
                f"there is no fold {self.fold} of {self.folds}",
                where="fold",
                fix=f"Choose one from 1 to {self.folds}",
            )
        if self.test_fraction and not self.folds and self.valid_fraction + self.test_fraction >= 1.0:
            raise SettingsError(
                "validation and test leave nothing for training",
                where="valid_fraction, test_fraction",
                fix="Use shares whose sum is less than 1",
            )
        _check_device_name(self.device)
        for name, value in self.short_range_pairs.items():
            _check_short_range(name, value)
        for group, order in self.stress_order.items():
            _check_order(group, order)
        return self

    def split_of(self, frames: Sequence[Frame], *, valid: bool = True, test: bool = True) -> Parts:
        """Return which frames are for training, validation and test; see ``split_in_three``.

        Without ``valid`` or ``test`` there are files for that, and none of these frames is.
        """
        from nnpcore.structures.splits import Split, split_in_three

        fraction, folds = (self.valid_fraction, self.folds or 0) if valid else (0.0, 0)
        aside = self.test_fraction if test else 0.0
        split = Split(fraction, self.seed, self.split, folds, self.fold, self.group_key, aside)
        return split_in_three(frames, split)

    @property
    def loss_weights(self) -> tuple[float, float, float]:
        """Weights of energy, forces and stress; 0 for a stress whose weight is left to the data."""
        return self.energy_weight, self.force_weight, self.stress_weight or 0.0

    def changed(self, other: TrainSettings) -> list[str]:
        """Return the names of settings that differ in ``other`` and may not change in a training."""
        names = [
            known.path
            for known in declarations(TrainSettings)
            if not known.setting.resumable and known.read(self) != known.read(other)
        ]
        tables_of_data = ("group_weights", "left_out", "short_range_pairs", "stress_order")
        names += [name for name in tables_of_data if getattr(self, name) != getattr(other, name)]
        tables = self.descriptors.functions, other.descriptors.functions
        return names if tables[0] == tables[1] else [*names, "descriptors.functions"]

    def filled_from(self, begun: TrainSettings) -> TrainSettings:
        """Return the settings with what they leave to the data as a training that has begun has it."""
        mine, theirs = self.descriptors, begun.descriptors
        changes: dict[str, Any] = {}
        if self.atom_energies == "auto":
            changes["atom_energies"] = begun.atom_energies
        if mine.cutoff is None:
            changes["descriptors.cutoff"] = theirs.cutoff
        if self.stress_weight is None:
            changes |= {"stress_weight": begun.stress_weight, "stress_order": begun.stress_order}
        if mine.preset == theirs.preset == "auto" and mine.functions is None:
            changes["descriptors.functions"] = theirs.functions
        return self.replace(**changes) if changes else self

    def to_toml(self, path: str | os.PathLike[str] | None = None) -> str:
        """Return the settings as TOML text without the unset ones; write it where a path is given."""
        import tomli_w

        text = tomli_w.dumps(self.model_dump(mode="json", exclude_none=True))
        if path is not None:
            write_atomically(Path(path), text.encode())
        return text

    @classmethod
    def from_toml(cls, path: str | os.PathLike[str]) -> Self:
        """Read settings from a TOML file; anything wrong is a :class:`SettingsError` naming the file."""
        try:
            return cls.model_validate(parsed_toml(read_regular(Path(path))))
        except OSError as error:
            what = f"the settings cannot be read ({error.strerror})"
        except (ValueError, RecursionError) as error:  # also what a number of thousands of digits raises
            what = f"this is not a TOML file ({error})"
        except SettingsError as error:
            raise SettingsError(error.what, where=f"{path}, {error.where}", fix=error.fix) from None
        raise SettingsError(what, where=str(path), fix="Choose a file with the settings of a training")


def parsed_toml(content: bytes) -> dict[str, Any]:
    """Parse TOML; ValueError where it is none, or no settings by its size or its keys of very many parts."""
    if len(content) > _LARGEST_FILE:
        raise ValueError(f"it has more than {_LARGEST_FILE // 1_000_000} MB")
    if _LONG_KEY.search(content):
        raise ValueError("a key has very many parts")
    return tomllib.loads(content.decode("utf-8-sig"))


def _check_short_range(name: str, value: str | tuple[float, float]) -> None:
    """Refuse a pair of elements that is none, and what no repulsion between them can be."""
    from ase.data import atomic_numbers

    where, symbols = f"short_range_pairs, {name}", name.split("-")
    if len(symbols) != 2 or not all(symbol in atomic_numbers for symbol in symbols):
        raise SettingsError("this is no pair of elements", where=where, fix="Name two, such as O-Si")
    if isinstance(value, tuple):
        if not 0.0 < value[0] < value[1] < 20.0:
            fix = "Give two growing distances in Å: whole below the first, none from the second on"
            raise SettingsError(f"{value[0]:g} and {value[1]:g} join nothing", where=where, fix=fix)
    elif value not in ("off", "on", "auto"):
        fix = "Choose off, on, auto or two distances in Å"
        raise SettingsError(f"{value!r} is not a choice here", where=where, fix=fix)


def _check_order(group: str, order: str) -> None:
    """Refuse an order of components that is none."""
    from nnpcore.structures.labels.foretold_stress import LEFT_OUT, ORDERS

    if order not in (*ORDERS, LEFT_OUT):
        fix = f"Choose one of {', '.join(map(repr, (*ORDERS, LEFT_OUT)))}"
        raise SettingsError(f"{order!r} is no order of shears", where=f"stress_order, {group}", fix=fix)


def _check_device_name(device: str) -> None:
    """Refuse a device that no computer has; whether this one has it is known only where torch is loaded."""
    kind, _, number = device.partition(":")
    if device in ("auto", "cpu", "cuda") or (kind == "cuda" and number.isdigit()):
        return
    raise SettingsError(f"{device!r} is not a device", where="device", fix=f"Choose one of {DEVICES}")
