"""What a user chooses about a training: one frozen record, checked when it is made, kept as TOML."""

from __future__ import annotations

import json
import math
import os
import tomllib
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator, model_validator

from nnpcore.errors import SettingsError
from nnpcore.files import write_atomically

Optimizer = Literal["auto", "kalman", "adam", "lbfgs"]
Activation = Literal["tanh", "softplus", "sigmoid", "gaussian"]
Baseline = Literal["none", "linear", "quadratic", "kernel"]
DEVICES = "auto, cpu, cuda, cuda:0, cuda:1 and so on"


class Range(NamedTuple):
    """Allowed numbers of one setting, both ends included, and what it means in a user's words."""

    low: float
    high: float
    meaning: str


RANGES: dict[str, Range] = {
    "n_members": Range(1, 64, "the number of networks in the ensemble"),
    "seed": Range(0, 2**31 - 1, "the seed of the random numbers"),
    "epochs": Range(1, 100_000, "the number of passes over the training frames"),
    "energy_weight": Range(0.0, 1e9, "the weight of the energies in the loss"),
    "force_weight": Range(0.0, 1e9, "the weight of the forces in the loss"),
    "stress_weight": Range(0.0, 1e9, "the weight of the stresses in the loss"),
    "l2": Range(0.0, 1e6, "the weight of the squared network weights in the loss"),
    "baseline_ridge": Range(1e-12, 1e3, "the ridge of the baseline under the networks"),
    "baseline_components": Range(1, 64, "the number of components in quadratic terms"),
    "baseline_epochs": Range(0, 100_000, "the number of epochs before the baseline"),
    "baseline_spread": Range(0.0, 100.0, "the spread of the members' baselines"),
    "batch_frames": Range(1, 1_000_000, "the number of frames in one step"),
    "learning_rate": Range(1e-8, 10.0, "the length of Adam's first steps"),
    "patience": Range(1, 100_000, "the number of epochs without progress before training ends"),
    "valid_fraction": Range(0.0, 0.99, "the part of the training frames put aside for validation"),
    "n_threads": Range(1, 1024, "the number of processor threads"),
    "memory_gb": Range(0.1, 10_000.0, "the memory the optimizer may take, in GB"),
    "hidden": Range(1, 1000, "the width of a hidden layer"),
    "hidden layers": Range(1, 8, "the number of hidden layers"),
    "descriptors.cutoff": Range(1.0, 20.0, "the cutoff radius in Å"),
    "kalman.block_size": Range(10, 100_000, "the number of weights whose covariances are kept together"),
    "kalman.rows_per_frame": Range(1, 1000, "the number of random force projections of a frame and step"),
    "kalman.initial_covariance": Range(1e-6, 1e9, "the variance of a weight before the first step"),
    "kalman.forgetting": Range(0.5, 1.0, "the forgetting factor of the first frame"),
    "kalman.forgetting_decay": Range(0.0, 1.0, "the shrinking of the forgetting with every frame"),
}
"""Sensible range of every numeric setting; a value outside gives one uniform message."""


def check_range(name: str, value: float, *, label: str | None = None) -> None:
    """Raise :class:`SettingsError` if ``value`` lies outside ``RANGES[name]``."""
    allowed = RANGES[name]
    if math.isfinite(value) and allowed.low <= value <= allowed.high:
        return
    raise SettingsError(
        f"{value:g} is not sensible for {allowed.meaning}",
        where=label or name,
        fix=f"Choose a value from {allowed.low:g} to {allowed.high:,.12g}",
    )


class _Checked(BaseModel):
    """Base of the settings: frozen, no unknown names, messages as :class:`SettingsError`."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=True)

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise _plain(error, type(self)) from None

    @classmethod
    def model_validate(cls, obj: Any, **options: Any) -> Self:
        """Check ``obj`` as pydantic does, with the error as :class:`SettingsError`."""
        try:
            return super().model_validate(obj, **options)
        except ValidationError as error:
            raise _plain(error, cls) from None

    def replace(self, **changes: Any) -> Self:
        """Return a checked copy with some settings changed."""
        return type(self)(**(self.model_dump() | changes))


def _plain(error: ValidationError, model: type[BaseModel]) -> SettingsError:
    """Turn pydantic's first complaint into one sentence."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"]) or model.__name__
    if first["type"] == "extra_forbidden":
        known = ", ".join(sorted(model.model_fields))
        return SettingsError("there is no setting of this name", where=where, fix=f"Known settings: {known}")
    if first["type"] == "literal_error":
        expected = first.get("ctx", {}).get("expected", "")
        return SettingsError(
            f"{first['input']!r} is not a choice here", where=where, fix=f"Choose {expected}"
        )
    return SettingsError(
        f"{first['input']!r} does not fit: {first['msg'][:1].lower()}{first['msg'][1:]}",
        where=where,
        fix="Correct this setting",
    )


class DescriptorSettings(_Checked):
    """Which symmetry functions describe an atom: a preset with a cutoff, or an explicit table.

    Attributes
    ----------
    preset : name of a preset of ``SymmetryFunctions.preset``; ignored where ``functions`` is given.
    cutoff : Å, of the preset.
    functions : ``SymmetryFunctions.to_dict()``, or None for the preset.
    """

    preset: str = "26"
    cutoff: float = 6.0
    functions: dict[str, Any] | None = None

    @field_validator("functions", mode="before")
    @classmethod
    def _plain(cls, functions: Any) -> Any:
        """Turn tuples into the lists a file would give, so that equal tables compare equal."""
        return json.loads(json.dumps(functions, default=float)) if isinstance(functions, dict) else functions

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_range("descriptors.cutoff", self.cutoff)
        return self


class KalmanSettings(_Checked):
    """Choices of the block extended Kalman filter; the defaults suit tens to thousands of frames.

    Attributes
    ----------
    block_size : weights whose covariances are kept together; neighboring neurons of a layer. More than all
        weights of a layer is the filter by layers; what does not fit into ``memory_gb`` is made smaller.
    rows_per_frame : random projections of a frame's forces that enter one step, beside its energy.
    initial_covariance : variance given to every weight before the first step.
    forgetting, forgetting_decay : forgetting factor of the first frame, and the factor by which its
        distance to 1 shrinks with every frame.
    """

    block_size: int = 480
    rows_per_frame: int = 8
    initial_covariance: float = 100.0
    forgetting: float = 0.98
    forgetting_decay: float = 0.9987

    @model_validator(mode="after")
    def _check(self) -> Self:
        for name in type(self).model_fields:
            check_range(f"kalman.{name}", getattr(self, name))
        return self


class TrainSettings(_Checked):
    """Everything a training needs beside its frames.

    The loss is ``w_E mean((ΔE/N)²) + w_F mean(|ΔF|²) + w_S mean(|Δσ|²) + l2 |w|²`` in eV, eV/Å, eV/Å³; only
    the ratios of the three weights matter for the Kalman filter.

    Attributes
    ----------
    descriptors : symmetry functions.
    hidden, activation : widths and function of the hidden layers.
    n_members, seed : networks in the ensemble; member m starts from the m-th stream of ``seed``.
    epochs : passes over the training frames; None = the optimizer's usual number.
    optimizer : "auto" takes the Kalman filter where its matrices fit into ``memory_gb``, else Adam.
    energy_weight, force_weight, stress_weight, l2 : weights of the loss; 0 leaves a part out.
    baseline : what lies under the networks: "none", or a function of their inputs solved in closed form on
        the same loss: "linear", "quadratic" (with products of the first components) or "kernel" (with
        Gaussians about some training atoms). See :mod:`nnpcore.training.baseline.fitting`.
    baseline_ridge : its ridge in eV²; None = chosen by the evidence.
    baseline_components : components of the network inputs in quadratic terms.
    baseline_epochs : epochs in which the networks learn everything by themselves, before their atomic
        energies are moved onto those of the baseline; 0 = it lies under them from the start; None = the
        optimizer's usual number.
    baseline_spread : how much of what the data leave open about the linear part the members differ by, in
        standard deviations; 0 = all alike. Kalman filter only.
    batch_frames, learning_rate : frames of a step and Adam's step length; None = the optimizer's usual ones.
    patience : epochs without progress before training ends; None = never. Progress is a better validation
        score of some member, or, with a monitor, a largest mapping error at least 1 % below the best so far.
    valid_fraction : part of the frames put aside where no validation data are given.
    device : "auto", "cpu", "cuda" or "cuda:N".
    n_threads : processor threads; None = all that this process may use.
    memory_gb : what the Kalman filter's matrices may take.
    kalman : choices of the Kalman filter.
    """

    descriptors: DescriptorSettings = DescriptorSettings()
    hidden: tuple[int, ...] = (30, 30)
    activation: Activation = "tanh"
    n_members: int = 5
    seed: int = 0
    epochs: int | None = None
    optimizer: Optimizer = "auto"
    energy_weight: float = 1.0
    force_weight: float = 0.005
    stress_weight: float = 0.0
    l2: float = 0.0
    baseline: Baseline = "linear"
    baseline_ridge: float | None = None
    baseline_components: int = 8
    baseline_epochs: int | None = None
    baseline_spread: float = 1.0
    batch_frames: int | None = None
    learning_rate: float | None = None
    patience: int | None = None
    valid_fraction: float = 0.3
    device: str = "auto"
    n_threads: int | None = None
    memory_gb: float = 1.0
    kalman: KalmanSettings = KalmanSettings()

    @model_validator(mode="before")
    @classmethod
    def _old_names(cls, values: Any) -> Any:
        """Read what Eatlas 0.2 called smooth, and 0.1 linear: from the start, the same for all, or none."""
        if not isinstance(values, dict):
            return values
        old = [name for name in values if name.startswith("smooth")]
        values = values | {name.replace("smooth", "baseline"): values[name] for name in old}
        values = {name: value for name, value in values.items() if name not in old}
        if "linear_ridge" not in values:
            return values
        ridge = values.pop("linear_ridge")
        kind = "none" if ridge is None else "linear"
        return values | {
            "baseline": kind,
            "baseline_ridge": ridge,
            "baseline_epochs": 0,
            "baseline_spread": 0.0,
        }

    @model_validator(mode="after")
    def _check(self) -> Self:
        for name in type(self).model_fields:
            value = getattr(self, name)
            if name in RANGES and isinstance(value, int | float):
                check_range(name, value)
        check_range("hidden layers", len(self.hidden), label="hidden")
        for width in self.hidden:
            check_range("hidden", width)
        if not (self.energy_weight or self.force_weight or self.stress_weight):
            raise SettingsError(
                "all weights of the loss are zero, so there is nothing to learn",
                where="energy_weight, force_weight, stress_weight",
                fix="Give at least one of them a positive value",
            )
        _check_device_name(self.device)
        return self

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
            text = Path(path).read_text(encoding="utf-8")
            return cls.model_validate(tomllib.loads(text))
        except OSError as error:
            what = f"the settings cannot be read ({error.strerror})"
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            what = f"this is not a TOML file ({error})"
        except SettingsError as error:
            raise SettingsError(error.what, where=f"{path}, {error.where}", fix=error.fix) from None
        raise SettingsError(what, where=str(path), fix="Choose a file with the settings of a training")


def _check_device_name(device: str) -> None:
    """Refuse a device that no computer has; whether this one has it is known only where torch is loaded."""
    kind, _, number = device.partition(":")
    if device in ("auto", "cpu", "cuda") or (kind == "cuda" and number.isdigit()):
        return
    raise SettingsError(f"{device!r} is not a device", where="device", fix=f"Choose one of {DEVICES}")
