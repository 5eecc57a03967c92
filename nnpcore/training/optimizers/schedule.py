"""Batches of frames for members that do not need each other, spread over threads."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

import numpy as np

from nnpcore.threads import in_order

Item = TypeVar("Item")
_BATCHES_PER_TURN = 4


class MemberSchedule(Generic[Item]):
    """Takes every member through the same batches, in order, each member on one thread at a time.

    Whoever is least advanced goes first, so that all finish together whatever their number; a batch is made
    once, when somebody needs it, and given up when all have passed it. The result depends neither on the
    number of threads nor on interruptions.

    Parameters
    ----------
    positions : (n_members,) int64, the next batch of every member; moved on in place.
    n_batches : batches of the epoch.
    make : makes a batch.
    step : ``step(member, index, batch)`` takes a member through one; False ends this member's epoch.
    go_on : asked before every batch; False ends all work.
    """

    def __init__(
        self,
        positions: np.ndarray,
        n_batches: int,
        make: Callable[[int], Item],
        step: Callable[[int, int, Item], bool],
        go_on: Callable[[], bool],
    ) -> None:
        self._positions = positions
        self._n_batches = n_batches
        self._make = make
        self._step = step
        self._go_on = go_on
        self._changed = threading.Condition()
        self._busy: set[int] = set()
        self._batches: dict[int, Future[Item]] = {}
        self._ended = False

    def run(self, n_threads: int) -> bool:
        """Work until every member is through (True) or ``go_on`` said no (False); errors are passed on."""
        n_threads = min(n_threads, len(self._positions))
        for _ in in_order(lambda _: self._work(), range(n_threads), n_threads):
            pass
        return bool((self._positions >= self._n_batches).all())

    def _work(self) -> None:
        try:
            while (member := self._take()) is not None:
                self._turn(member)
                with self._changed:
                    self._busy.discard(member)
                    self._changed.notify_all()
        except BaseException:
            self._end()
            raise

    def _take(self) -> int | None:
        """Return the least advanced free member; wait where all with work left are busy; None at the end."""
        with self._changed:
            while True:
                open_members = np.flatnonzero(self._positions < self._n_batches)
                if self._ended or not len(open_members):
                    return None
                free = [int(m) for m in open_members if int(m) not in self._busy]
                if free:
                    member = min(free, key=lambda m: (self._positions[m], m))
                    self._busy.add(member)
                    return member
                self._changed.wait()

    def _turn(self, member: int) -> None:
        """Take one member through some batches."""
        for _ in range(_BATCHES_PER_TURN):
            index = int(self._positions[member])
            if index >= self._n_batches or self._ended:
                return
            if not self._go_on():
                self._end()
                return
            alive = self._step(member, index, self._batch(index))
            with self._changed:
                self._positions[member] = index + 1 if alive else self._n_batches
                for passed in [k for k in self._batches if k < self._positions.min()]:
                    del self._batches[passed]

    def _batch(self, index: int) -> Item:
        """Return a batch, making it where nobody has begun to."""
        with self._changed:
            is_new = index not in self._batches
            batch = self._batches.setdefault(index, Future())
        if is_new:
            try:
                batch.set_result(self._make(index))
            except BaseException as error:
                batch.set_exception(error)
        return batch.result()

    def _end(self) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify_all()
