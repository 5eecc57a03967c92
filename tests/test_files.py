"""Documents of Eatlas's own: marked, versioned, and named when they are damaged, foreign or too new."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.documents import session_file
from app.documents.session_file import SavedDataset, SavedSession
from nnpcore.errors import AnalysisError, DataError, RunFolderError
from nnpcore.files import FileFormat
from nnpcore.paper import running

NOTES = FileFormat("eatlas notes", 2, "a file of notes", AnalysisError, "Write them again")


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "new" / "notes.json"
    NOTES.write(path, {"notes": ["ä"]})
    with NOTES.reading(path) as document:
        assert document == {"format": "eatlas notes", "format_version": 2, "notes": ["ä"]}
    path.write_text(json.dumps({"format": "eatlas notes", "notes": []}))  # of before there were versions
    with NOTES.reading(path) as document:
        assert document["notes"] == []


@pytest.mark.parametrize(
    ("content", "message", "fix"),
    [
        (None, "a file of notes cannot be read", "Write them again"),
        ("{", "it cannot be read .not readable as JSON.*this is not a file of notes", "Write them again"),
        ("[]", "not a file of notes, or a damaged one", "Write them again"),
        ('{"format": "x"}', 'no "format": "eatlas notes"', "Write them again"),
        (
            '{"format": "eatlas notes", "format_version": "2"}',
            "unknown format version '2'",
            "Write them again",
        ),
        (
            '{"format": "eatlas notes", "format_version": 3}',
            "newer Eatlas.*version 3.*up to 2",
            "Update Eatlas",
        ),
        ('{"format": "eatlas notes"}', "the entry 'notes' is missing", "Write them again"),
        ('{"format": "eatlas notes", "notes": ["a"]}', "an entry has an unexpected form", "Write them again"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, content: str | None, message: str, fix: str) -> None:
    path = tmp_path / "notes.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(AnalysisError, match=message) as caught, NOTES.reading(path) as document:
        [int(note) for note in document["notes"]]
    assert caught.value.where == str(path) and fix in caught.value.fix


def test_an_error_of_the_content_gets_the_name_of_the_file(tmp_path: Path) -> None:
    NOTES.write(tmp_path / "notes.json", {})
    with pytest.raises(AnalysisError) as caught, NOTES.reading(tmp_path / "notes.json"):
        raise DataError("a note is empty", fix="Fill it")
    assert caught.value.where.endswith("notes.json") and caught.value.fix == "Fill it"


def test_a_session_of_a_newer_version_is_not_taken(tmp_path: Path) -> None:
    path = tmp_path / "session.json"
    session_file.write(path, SavedSession([SavedDataset("a.extxyz", "training", 0)]))
    assert len(session_file.read(path).datasets) == 1
    path.write_text(path.read_text().replace('"schema": 1', '"schema": 2'))
    with pytest.raises(RunFolderError, match="made by a newer Eatlas"):
        session_file.read(path)


def test_a_session_without_a_version_and_with_fewer_entries_is_read(tmp_path: Path) -> None:
    path = tmp_path / "session.json"
    entry = {"path": "a.extxyz", "role": "training", "color_index": 2}
    path.write_text(json.dumps({"datasets": [entry], "runs": [], "current": "", "coloring": {}}))
    (dataset,) = session_file.read(path).datasets
    assert (dataset.path, dataset.color_index, dataset.frame_index) == ("a.extxyz", 2, 0)
    path.write_text(path.read_text().replace("training", "cooking"))
    found = session_file.read(path)
    assert found.datasets == [] and "'cooking' is not a valid Role" in found.lost[0]


def test_studies_of_a_newer_version_are_left_alone(tmp_path: Path) -> None:
    folder = running.paper_folder(tmp_path / "paper")
    assert running.paper_folder(folder) == folder
    marker = folder / running.MARKER
    newer = marker.read_text().replace('"format_version": 1', '"format_version": 2')
    marker.write_text(newer)
    with pytest.raises(RunFolderError, match="newer Eatlas"):
        running.paper_folder(folder)
    assert marker.read_text() == newer
