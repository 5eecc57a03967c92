"""Settings, sessions and potentials that are too deep, too long or too large, or wrong in one entry."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path

import pytest

from app import settings as window_settings
from app.documents import session_file
from app.documents.session_file import SavedDataset, SavedSession
from nnpcore.errors import EatlasError, PotentialError, SettingsError
from nnpcore.exchange.foreign_text import ForeignText
from nnpcore.exchange.simple_nn import potential_saved
from nnpcore.training.settings import TrainSettings


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("x=" + "[" * 5000 + "]" * 5000, "this is not a TOML file"),
        ("a." * 20_000 + "b=1", "a key has very many parts"),
        ("[" + "a." * 20_000 + "b]\nc=1", "a key has very many parts"),
        ("seed=" + "9" * 400, "a number of 1329 bits is not sensible for the seed"),
        ("epochs=1" + "0" * 5000, "this is not a TOML file"),
        ('seed="' + "9" * 5000 + '"', "seed: '9{79}… does not fit"),
        ("[descriptors]\ncutoff=inf", "inf is not sensible"),
        ("l2=nan", "nan is not sensible"),
        ("[descriptors]\npreset=26", "descriptors.preset: 26 does not fit"),
        ("[descriptors]\nbanana=1", "descriptors.banana: there is no setting of this name"),
    ],
)
def test_settings_that_cannot_be(text: str, pattern: str, tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=pattern) as caught:
        TrainSettings.from_toml(path)
    assert str(path) in str(caught.value) and len(str(caught.value)) < 1000


def test_settings_with_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_bytes(b"\xef\xbb\xbfseed = 7\n")
    assert TrainSettings.from_toml(tmp_path / "settings.toml").seed == 7


def session(tmp_path: Path, **changes: object) -> Path:
    saved = SavedSession([SavedDataset("/a.xyz", "training", 1)], ["/run"], "/a.xyz", {"kind": "element"})
    content = asdict(saved) | {"schema": 1} | changes
    path = tmp_path / "session.json"
    path.write_text(json.dumps(content))
    return path


def test_a_bad_entry_of_a_session_costs_that_entry(tmp_path: Path) -> None:
    good = {"path": "/b.xyz", "role": "eos", "color_index": 0, "frame_index": 3}
    bad = [
        {"path": "/c.xyz"},
        5,
        good | {"role": "cook"},
        good | {"color_index": 10**30},
        good | {"path": "\0"},
    ]
    path = session(
        tmp_path, datasets=[*bad, good, good | {"frame_index": "x"}], runs=["/run", 7], regions=[3, {}]
    )
    found = session_file.read(path)
    assert found.datasets == [SavedDataset("/b.xyz", "eos", 0, 3)]
    assert found.runs == ["/run"] and list(found.regions) == [{}]
    assert len(found.lost) == len(bad) + 3 and any("datasets, entry 3" in text for text in found.lost)
    path = session(tmp_path, calculators="abc", coloring=[1], current=None, sweep=3)
    found = session_file.read(path)
    assert found.runs == ["/run"] and (found.current, found.coloring, found.sweep) == ("", {}, {})
    assert found.lost == ["all of calculators: no list"]


def test_what_is_written_of_a_session_is_read_again(tmp_path: Path) -> None:
    saved = session_file.read(session(tmp_path))
    assert saved.lost == []
    session_file.write(tmp_path / "again.json", saved)
    assert session_file.read(tmp_path / "again.json") == saved
    assert "lost" not in json.loads((tmp_path / "again.json").read_text())


DEEP = '{"schema": 1, "datasets": ' + "[" * 5000 + "]" * 5000 + "}"


def test_a_deep_session_or_deep_preferences_do_not_stop_the_window(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "session.json").write_text(DEEP)
    with pytest.raises(EatlasError, match="nested too deep"):
        session_file.read(tmp_path / "session.json")
    monkeypatch.setattr(window_settings, "home", lambda: tmp_path)
    (tmp_path / "settings.json").write_text(DEEP)
    assert window_settings.load() == window_settings.Settings()
    assert (tmp_path / "settings.json.old").exists()


def test_sizes_in_a_foreign_potential_are_checked_before_memory_is_taken(tmp_path: Path) -> None:
    text = "ELEM_LIST Si\n\nPOT Si 6.0\nSYM 1\n2 6.0 0.1 0.0 0.0 Si\nscale1 0.0\nscale2 1.0\n"
    path = tmp_path / potential_saved.NAME
    path.write_text(f"{text}NET 1 25000000000 1\nLAYER 0 tanh\nw0 1.0\nb0 0.0\n")
    with pytest.raises(PotentialError, match="layer 0 has 25000000000 neurons, two lines each"):
        potential_saved.read_simple_nn(path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(PotentialError, match="a pipe, a device or a folder"):
        ForeignText(tmp_path / "pipe")


@pytest.mark.parametrize(
    ("last", "whole"),
    [("-0.12345678", True), ("-0.1234", False), ("-0", False), ("-0.12345678E+00", False)],
)
def test_a_last_line_without_its_end_counts_where_its_number_is_whole(
    last: str, whole: bool, tmp_path: Path
) -> None:
    path = tmp_path / "weights.014.data"
    path.write_text("0.11111111\n-2.22222222\n" + last)
    if whole:
        assert len(ForeignText(path).lines) == 3
    else:
        with pytest.raises(PotentialError, match="truncated: its last line has no end"):
            ForeignText(path)
