"""The graph of analyses: what is computed when, what a change makes out of date, why a result is missing."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from nnpcore.analyses.catalogue import ANALYSES
from nnpcore.analyses.graph import Analysis, Evaluation, Given, Input, Missing, found, required
from nnpcore.errors import AnalysisError, Cancelled, PotentialError
from nnpcore.progress import Progress


@dataclass
class Toy:
    """A small graph, made by hand: total = left + right, each of its own input, and a note of the total."""

    a: Input[int] = field(default_factory=lambda: Input("a", "A", "there is no a", "Give one"))
    b: Input[int] = field(default_factory=lambda: Input("b", "B"))
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.left = Analysis("left", "Left", self._left, needs=(self.a,))
        self.right = Analysis("right", "Right", self._right, needs=(self.b,))
        self.total = Analysis("total", "Total", self._total, needs=(self.left,), uses=(self.right,))
        self.note = Analysis("note", "Note", self._note, needs=(self.total,))
        self.parity = Analysis("parity", "Parity", self._parity, needs=(self.a,))

    def _left(self, given: Given) -> int:
        self.asked.append("left")
        if given[self.a] < 0:
            raise AnalysisError("a is negative", where="file", fix="Take its square")
        return 10 * given[self.a]

    def _right(self, given: Given) -> int:
        self.asked.append("right")
        return given[self.b]

    def _total(self, given: Given) -> int:
        self.asked.append("total")
        return given[self.left] + (given.get(self.right) or 0)

    def _note(self, given: Given) -> str:
        self.asked.append("note")
        return f"total {given[self.total]}"

    def _parity(self, given: Given) -> int:
        self.asked.append("parity")
        return given[self.a] % 2

    def evaluation(self, a: int | None = 1, b: int | None = 2) -> Evaluation:
        made = Evaluation()
        made.set(self.a, a)
        made.set(self.b, b)
        return made


@pytest.fixture
def toy() -> Toy:
    return Toy()


def test_each_result_is_computed_once(toy: Toy) -> None:
    evaluation = toy.evaluation()
    assert evaluation.value(toy.note) == "total 12"
    assert evaluation.value(toy.total) == 12 and toy.asked == ["left", "right", "total", "note"]
    assert evaluation.value(toy.a) == 1


def test_a_change_reaches_what_depends_on_it_and_nothing_else(toy: Toy) -> None:
    evaluation = toy.evaluation()
    evaluation.value(toy.note)
    evaluation.value(toy.parity)
    evaluation.take_changed()
    toy.asked.clear()
    assert evaluation.set(toy.b, 3) and not evaluation.set(toy.b, 3)
    assert [evaluation.is_current(n) for n in (toy.left, toy.parity)] == [True, True]
    assert not any(evaluation.is_current(n) for n in (toy.right, toy.total, toy.note))
    assert evaluation.known(toy.note) == "total 12", "shown until there is another"
    assert evaluation.value(toy.note) == "total 13"
    assert toy.asked == ["right", "total", "note"]
    assert evaluation.take_changed() == [toy.right, toy.total, toy.note]


def test_a_result_that_stays_the_same_stops_the_change(toy: Toy) -> None:
    evaluation = toy.evaluation()
    after = Analysis("after", "After", lambda given: str(given[toy.parity]), needs=(toy.parity,))
    assert evaluation.value(after) == "1"
    toy.asked.clear()
    evaluation.set(toy.a, 3)
    assert evaluation.value(toy.parity) == 1 and evaluation.is_current(after)


def test_reasons_are_handed_on(toy: Toy) -> None:
    evaluation = toy.evaluation(a=None)
    missing = evaluation.value(toy.note)
    assert missing == Missing("there is no a", "Give one", awaited=True) and toy.asked == []
    assert str(missing) == "there is no a. Give one."
    with pytest.raises(AnalysisError, match="there is no a"):
        required(missing)
    assert found(missing) is None
    evaluation.set(toy.a, Missing("a was imported without it"))
    assert evaluation.value(toy.note) == Missing("a was imported without it")
    evaluation.set(toy.a, -1)
    missing = evaluation.value(toy.note)
    assert isinstance(missing, Missing) and str(missing) == "file: a is negative. Take its square."
    evaluation.set(toy.a, 2)
    evaluation.set(toy.b, None)
    assert evaluation.value(toy.note) == "total 20", "what is only used may be missing"


def test_only_what_is_declared_can_be_seen(toy: Toy) -> None:
    bad = Analysis("bad", "Bad", lambda given: given[toy.b], needs=(toy.a,), uses=(toy.b,))
    worse = Analysis("worse", "Worse", lambda given: given.get(toy.b), needs=(toy.a,))
    for analysis in (bad, worse):
        with pytest.raises(KeyError, match=r"does not declare that it (needs|uses) 'b'"):
            toy.evaluation().value(analysis)


def test_jobs_are_snapshots(toy: Toy) -> None:
    evaluation = toy.evaluation()
    job = evaluation.job(toy.total)
    assert job is not None and job.steps == (toy.left, toy.right, toy.total)
    assert evaluation.is_running(toy.left) and evaluation.job(toy.note) is None, "it waits for the total"
    other = evaluation.job(toy.parity)
    assert other is not None
    evaluation.set(toy.b, 5)
    outcome = job.run(Progress(), 1)
    assert evaluation.put(job, outcome)
    assert evaluation.known(toy.total) == 12 and not evaluation.is_current(toy.total)
    again = evaluation.job(toy.total)
    assert again is not None and again.steps == (toy.right, toy.total)
    assert evaluation.put(again, again.run()) and evaluation.known(toy.total) == 15
    assert evaluation.is_current(toy.total) and evaluation.job(toy.total) is None


def test_what_comes_too_late_is_dropped(toy: Toy) -> None:
    evaluation = toy.evaluation()
    late = evaluation.job(toy.left)
    assert late is not None
    outcome = late.run()
    evaluation.set(toy.a, None)
    assert not evaluation.put(late, outcome) and evaluation.known(toy.left) is None
    evaluation.set(toy.a, 1)
    first = evaluation.job(toy.left)
    assert first is not None
    evaluation.give_up(first)
    evaluation.set(toy.a, 2)
    second = evaluation.job(toy.left)
    assert second is not None and evaluation.put(second, second.run())
    assert not evaluation.put(first, first.run()) and evaluation.known(toy.left) == 20


def test_what_was_given_up_rests_until_an_input_changes(toy: Toy) -> None:
    evaluation = toy.evaluation()
    job = evaluation.job(toy.left)
    assert job is not None
    evaluation.give_up(job)
    assert evaluation.job(toy.left) is None and isinstance(evaluation.known(toy.left), Missing)
    evaluation.forget(toy.left)
    assert evaluation.value(toy.left) == 10
    evaluation.set(toy.a, 4)
    job = evaluation.job(toy.left)
    assert job is not None
    evaluation.give_up(job)
    assert evaluation.known(toy.left) == 10, "the last result stays"
    evaluation.set(toy.a, 5)
    assert evaluation.value(toy.left) == 50


def test_an_analysis_sees_its_own_last_result(toy: Toy) -> None:
    seen: list[object] = []

    def count(given: Given) -> int:
        seen.append(given.before(counting))
        return given[toy.a]

    counting: Analysis[int] = Analysis("counting", "Counting", count, needs=(toy.a,))
    evaluation = toy.evaluation()
    for a in (1, 7, 8):
        evaluation.set(toy.a, a)
        evaluation.value(counting)
    assert seen == [None, 1, 7]


def test_errors_and_cancelling(toy: Toy) -> None:
    def broken(given: Given) -> int:
        raise {1: ValueError("bug"), 2: PotentialError("no such element")}[given[toy.a]]

    analysis = Analysis("broken", "Broken", broken, needs=(toy.a,))
    evaluation = toy.evaluation()
    with pytest.raises(ValueError, match="bug"):
        evaluation.value(analysis)
    assert not evaluation.is_running(analysis)
    evaluation.set(toy.a, 2)
    missing = evaluation.value(analysis)
    assert isinstance(missing, Missing) and isinstance(missing.as_error(), PotentialError)
    progress = Progress()
    progress.cancel()
    with pytest.raises(Cancelled):
        evaluation.value(toy.total, progress=progress)
    assert toy.asked == []


def test_a_copy_goes_its_own_way(toy: Toy) -> None:
    evaluation = toy.evaluation()
    evaluation.value(toy.note)
    other = evaluation.copy()
    toy.asked.clear()
    other.set(toy.b, 9)
    assert other.value(toy.note) == "total 19" and evaluation.value(toy.note) == "total 12"
    assert toy.asked == ["right", "total", "note"]


def test_progress_goes_once_from_0_to_1(toy: Toy) -> None:
    told: list[tuple[float, str]] = []
    toy.evaluation().value(toy.note, progress=Progress(lambda f, text: told.append((f or 0.0, text))))
    fractions = [fraction for fraction, _ in told]
    assert fractions == sorted(fractions) and fractions[0] == 0.0 and fractions[-1] == 1.0
    assert [text for _, text in told[:2]] == ["Left", "Right"]


def test_the_catalogue_is_whole_and_without_circles() -> None:
    names = [analysis.name for analysis in ANALYSES]
    assert len(set(names)) == len(names)
    known: set[object] = set()
    for analysis in ANALYSES:  # each after what it needs
        assert {s for s in analysis.sources if isinstance(s, Analysis)} <= known, analysis.name
        known.add(analysis)
        assert analysis.title and not analysis.depends_on(analysis)


def test_what_is_noticed_is_taken_into_account_and_never_computed(toy: Toy) -> None:
    noticing = Analysis(
        "noticing", "Noticing", lambda given: (given[toy.left], given.get(toy.right)),
        needs=(toy.left,), notices=(toy.right,),
    )  # fmt: skip
    evaluation = toy.evaluation()
    assert evaluation.value(noticing) == (10, None) and toy.asked == ["left"]
    assert evaluation.is_current(noticing)
    evaluation.value(toy.right)
    assert not evaluation.is_current(noticing) and noticing.depends_on(toy.b)
    assert evaluation.value(noticing) == (10, 2)
    evaluation.set(toy.b, 5)
    assert evaluation.is_current(noticing), "what is noticed is as it was computed last"
    assert evaluation.value(noticing) == (10, 2) and toy.asked == ["left", "right"]
    evaluation.value(toy.right)
    assert evaluation.value(noticing) == (10, 5)
