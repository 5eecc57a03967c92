"""Independent work, here or on other computers: jobs, and who runs them.

A command makes jobs and asks an :class:`Executor`; whether that is this process or a cluster under dask makes
no difference to the numbers. ``dask`` is loaded only where a scheduler is named.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnpcore.lazy import lazy_names

if TYPE_CHECKING:
    from nnpcore.cluster.executor import Executor, Hand, InProcess, Job, Outcome, Shared, in_order, portions
    from nnpcore.cluster.opening import open_executor
    from nnpcore.cluster.scheduler import Scheduler

__all__ = [
    "Executor",
    "Hand",
    "InProcess",
    "Job",
    "Outcome",
    "Scheduler",
    "Shared",
    "in_order",
    "open_executor",
    "portions",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "executor": ("Executor", "Hand", "InProcess", "Job", "Outcome", "Shared", "in_order", "portions"),
        "opening": ("open_executor",),
        "scheduler": ("Scheduler",),
    },
)
