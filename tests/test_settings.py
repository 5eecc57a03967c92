"""Settings are declared once: checks, options, the window's fields and the guide follow from it."""

from __future__ import annotations

import importlib.util
import tomllib
from pathlib import Path
from typing import Annotated, Any

import pytest

from nnpcore.cli.gathered import Group, settings
from nnpcore.errors import SettingsError
from nnpcore.training import PRESET_26, KalmanSettings, TrainSettings
from nnpcore.training.declared import Declaration, Declared, Option, Setting, Shown, declarations
from nnpcore.training.settings import AS_IN_VERSION_0_2

ALL = list(declarations(TrainSettings))
TOP = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def options() -> Group:
    return settings()


@pytest.mark.parametrize("one", ALL, ids=lambda one: one.path)
def test_a_setting_is_read_typed_and_kept_in_its_range(one: Declaration) -> None:
    given = TrainSettings()
    assert one.read(given) == one.default
    assert one.parse(one.text(one.default)) == one.default or one.type is str
    assert given.replace(**{one.path: one.default}) == given
    if one.type in (int, float):
        for wrong in (one.setting.low - 1, 2 * one.setting.high + 1):
            with pytest.raises(SettingsError, match=f"not sensible for {one.setting.meaning}") as caught:
                given.replace(**{one.path: one.type(wrong)})
            assert caught.value.where == one.path
    elif one.setting.choices and not one.setting.open:
        with pytest.raises(SettingsError, match="'nonsense' is not a choice here"):
            given.replace(**{one.path: "nonsense"})


def test_every_option_is_a_setting_and_old_names_are_taken_but_not_shown(options: Group) -> None:
    found = {p.annotation.__metadata__[0].default: p.annotation.__metadata__[0] for p in options.parameters}
    for one in ALL:
        assert (one.flag in found) == (one.setting.option is not None), one.path
    assert found["--smooth"].hidden and not found["--baseline"].hidden
    names = [p.name for p in options.parameters]
    given = dict.fromkeys(names) | {"smooth": "kernel", "hidden": "8-4", "cutoff": 5.0, "members": None}
    changes = options.gather(given)
    assert changes == {"baseline": "kernel", "hidden": (8, 4), "descriptors.cutoff": 5.0}
    assert TrainSettings().replace(**changes).descriptors.cutoff == 5.0
    with pytest.raises(SettingsError, match="does not name layers"):
        options.gather({"hidden": "wide"})


def test_one_new_field_is_all_a_new_setting_takes() -> None:
    class More(Declared):
        warmth: Annotated[
            float, Setting("the warmth", 0.0, 1.0, shown=Shown("Loss", "Warmth", "W"), option=Option("W"))
        ] = 0.5

    (one,) = declarations(More)
    assert (one.path, one.type, one.flag, one.default) == ("warmth", float, "--warmth", 0.5)
    assert More().replace(warmth=one.parse("0,25")).warmth == 0.25
    with pytest.raises(SettingsError, match="2 is not sensible for the warmth"):
        More(warmth=2)


def test_the_guide_has_the_table_of_settings() -> None:
    spec = importlib.util.spec_from_file_location("settings_table", TOP / "tools" / "settings_table.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    guide = module.GUIDE.read_text(encoding="utf-8")
    assert module.with_table(guide) == guide, "run python tools/settings_table.py"
    assert all(f"| `{one.path}` |" in guide for one in ALL)


def test_an_old_name_beside_the_new_one_must_agree():
    assert TrainSettings(smooth="none", baseline="none").baseline == "none"
    with pytest.raises(SettingsError, match="old name of 'baseline'"):
        TrainSettings(smooth="none", baseline="linear")


def test_a_whole_record_of_an_older_version_keeps_hard_inputs_and_constant_noise(tmp_path: Path) -> None:
    def without(record: dict[str, Any]) -> dict[str, Any]:
        kalman = {name: value for name, value in record["kalman"].items() if name != "noise"}
        later = ("input_floor", "guidance", "short_range")
        return {name: value for name, value in record.items() if name not in later} | {"kalman": kalman}

    today = TrainSettings(
        descriptors=PRESET_26,
        stress_weight=0.0,
        kalman=KalmanSettings(initial_covariance=100.0, forgetting=0.98),
        baseline="linear",
    )
    old = TrainSettings.model_validate(without(tomllib.loads(today.to_toml())))
    assert (old.input_floor, old.kalman.noise) == (0.01, 0.0)
    assert old == TrainSettings().replace(**AS_IN_VERSION_0_2)
    assert TrainSettings.from_toml(_written(tmp_path, old)) == old
    assert TrainSettings.from_toml(_written(tmp_path, today)) == today
    typed = TrainSettings.model_validate({"hidden": [5], "kalman": {"initial_covariance": 100.0}})
    assert (typed.input_floor, typed.kalman.noise) == (TrainSettings().input_floor, 1.0)


def test_a_whole_record_leaves_to_the_data_what_it_did_and_has_the_members_data_that_it_had(
    tmp_path: Path,
) -> None:
    for today in (TrainSettings(), TrainSettings(spread_cost=0.07), TrainSettings(stress_weight=0.0)):
        assert TrainSettings.from_toml(_written(tmp_path, today)) == today
        before = tomllib.loads(today.to_toml())
        for name in ("spread_cost", "split", "fold"):
            del before[name]
        assert TrainSettings.model_validate(before) == today.replace(spread_cost=0.0)
    typed = TrainSettings.model_validate({"epochs": 5})
    assert (typed.stress_weight, typed.spread_cost) == (None, TrainSettings().spread_cost)


def _written(folder: Path, settings: TrainSettings) -> Path:
    settings.to_toml(folder / "settings.toml")
    return folder / "settings.toml"
