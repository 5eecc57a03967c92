"""Options that become one argument of a command: names of a file's values, settings of a training.

A command lists them by ``@gathers(name=group)``; its signature for typer is made by :func:`expanded` when it
is called, so that no other command waits for what the group needs.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from inspect import Parameter
from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from nnpcore.cli import options
from nnpcore.cli.terminal import Terminal
from nnpcore.errors import SettingsError

if TYPE_CHECKING:
    from nnpcore.training.declared import Declaration

Result = dict[str, Any]
"""What ``--json`` prints; "exit_status" is taken out."""
Work = Callable[[Terminal], Result]
Command = Callable[..., Result]
"""``command(terminal, **options)``."""


@dataclass(frozen=True)
class Group:
    """Options by parameter name, and what makes one value of theirs."""

    parameters: tuple[Parameter, ...]
    gather: Callable[[dict[str, Any]], Any]


def gathers(**groups: Callable[[], Group]) -> Callable[[Command], Command]:
    """Let options be gathered into a command's arguments of these names."""

    def remember(command: Command) -> Command:
        command.__dict__["groups"] = groups
        return command

    return remember


def expanded(command: Command) -> Callable[..., Work]:
    """Return what typer calls: a function of the command's options, of those of its groups and ``--json``.

    It returns the command's work, which is still to be done.
    """
    groups = {name: make() for name, make in command.__dict__.get("groups", {}).items()}
    parameters: list[Parameter] = []
    for own in list(inspect.signature(command).parameters.values())[1:]:  # behind the terminal
        if own.name in groups:
            parameters += groups[own.name].parameters
        else:
            kind = eval(own.annotation, command.__globals__)
            parameters.append(own.replace(annotation=kind, kind=Parameter.KEYWORD_ONLY))
    parameters.append(_parameter("json_", options.Json, False))

    def called(**values: Any) -> Work:
        values.pop("json_")
        for name, group in groups.items():
            values[name] = group.gather({p.name: values.pop(p.name) for p in group.parameters})
        return functools.partial(command, **values)

    called.__dict__["__signature__"] = inspect.Signature(parameters)
    called.__annotations__ = {p.name: p.annotation for p in parameters}
    return called


def _parameter(name: str, annotation: Any, default: Any = None) -> Parameter:
    return Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def keys(units: str = "units") -> Group:
    """Names of energies, forces and stresses in files -> ``KeyNames`` or None; ``units`` is one of them."""
    kinds: dict[str, Any] = {
        "energy_key": options.EnergyKey,
        "forces_key": options.ForcesKey,
        "stress_key": options.StressKey,
    }
    kinds[units] = options.FileUnits if units == "units" else options.DataUnits
    kinds["types"] = options.Types

    def gather(values: dict[str, Any]) -> Any:
        from nnpcore.cli.keys import key_names

        unconverged = values.pop("unconverged")
        option = f"--{units.replace('_', '-')}"
        return key_names(*values.values(), unconverged=unconverged, option=option)

    parameters = [_parameter(name, kind) for name, kind in kinds.items()]
    return Group((*parameters, _parameter("unconverged", options.Unconverged, False)), gather)


def settings() -> Group:
    """Settings of a training that have an option -> those given, by their path in ``TrainSettings``."""
    from nnpcore.training.declared import declarations
    from nnpcore.training.settings import TrainSettings

    parameters, paths = [], {"linear_ridge": "linear_ridge"}
    texts: dict[str, Declaration] = {}
    for one in declarations(TrainSettings):
        option = one.setting.option
        if option is None:
            continue
        kind = (str if one.type is tuple else one.type) | None
        text = option.help.format(default=one.text(one.default, "-"))
        shown = Option(one.flag, help=text, metavar=option.metavar)
        hidden = [(old, Option(f"--{old.replace('_', '-')}", hidden=True)) for old in one.setting.old]
        for name, declared in ((one.name, shown), *hidden):
            parameters.append(_parameter(name, Annotated[kind, declared]))
            paths[name] = one.path
            texts |= {name: one} if one.type is tuple else {}
    old = Option(
        "--linear-ridge", help="Linear baseline from the start with this ridge, as in 0.1.", hidden=True
    )
    parameters.append(_parameter("linear_ridge", Annotated[float | None, old]))

    def gather(values: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, given in values.items():
            if given is not None:
                value = _widths(given, texts[name]) if name in texts else given
                if paths[name] in found and found[paths[name]] != value:
                    what = "an old and a new name of one option are given, with different values"
                    raise SettingsError(what, where=paths[name], fix="Give the new one alone")
                found[paths[name]] = value
        return found

    return Group(tuple(parameters), gather)


def _widths(text: str, declaration: Declaration) -> Any:
    try:
        return declaration.parse(text)
    except ValueError:
        raise SettingsError(
            f"{text!r} does not name layers", where=declaration.flag, fix="Write their widths: 30-30"
        ) from None
