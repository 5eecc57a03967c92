"""An executor for where work is to run: this process, or a scheduler of dask."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from nnpcore.cluster.executor import Executor, InProcess
from nnpcore.cluster.scheduler import Scheduler, SlurmFile
from nnpcore.errors import EatlasError, SettingsError
from nnpcore.threads import default_threads

if TYPE_CHECKING:
    from distributed import Client

_CONNECT_SECONDS = 10.0
_INSTALL = 'Install what it needs: pip install "eatlas[cluster]"'

_PAGES = "127.0.0.1:0"
"""dask's own pages about its state: seen on the scheduler's computer only, at any free port."""

OnText = Callable[[str], object]


@contextmanager
def open_executor(
    scheduler: Scheduler | str | None, n_threads: int | None = None, on_text: OnText | None = None
) -> Iterator[Executor]:
    """Give an executor; what was started for it ends with the context.

    Parameters
    ----------
    scheduler : where work is to run, see :class:`Scheduler`; None or empty for this process.
    n_threads : processor threads of a job; None for its share of the computer.
    on_text : told sentences, such as that a worker was lost.

    Raises
    ------
    SettingsError : no such place, a file for Slurm that cannot be used, or packages that are missing.
    EatlasError : nobody answers, or a worker has other versions.
    """
    if not scheduler:
        yield InProcess(n_threads)
        return
    place = Scheduler.from_text(scheduler) if isinstance(scheduler, str) else scheduler
    slurm = SlurmFile.read(place.text) if place.kind == "slurm" else None
    try:
        from nnpcore.cluster.dask_executor import DaskExecutor
    except ImportError as error:
        raise SettingsError(f"{error.name} is not installed", where="scheduler", fix=_INSTALL) from None
    with ExitStack() as stack:
        threads, expected = None, 1
        if slurm is not None:
            client = stack.enter_context(_of_slurm(slurm))
            threads, expected = slurm.n_threads, slurm.jobs * slurm.tasks_per_job
        elif place.kind == "local":
            client = stack.enter_context(_of_processes(place.n))
            threads, expected = max(1, default_threads() // place.n), place.n
        else:
            client = stack.enter_context(_of_address(place.text))
        yield DaskExecutor(client, n_threads or threads, on_text, expected)


@contextmanager
def _of_address(address: str) -> Iterator[Client]:
    with _connected(address, f"no scheduler answers at {address}") as client:
        yield client


@contextmanager
def _connected(cluster: Any, failing: str, **options: Any) -> Iterator[Client]:
    """Give a client; EatlasError where nobody answers."""
    from dask import config
    from distributed import Client

    config.set({"distributed.admin.large-graph-warning-threshold": "1 TB"})  # data are tasks here
    try:
        client = Client(cluster, timeout=_CONNECT_SECONDS, set_as_default=False, name="eatlas", **options)
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        raise EatlasError(
            f"{failing} ({_brief(error)})",
            where="scheduler",
            fix="See that `dask scheduler` runs there, that the address is the one it prints, and that no "
            "firewall stands between; for processes of this computer write local:N",
        ) from None
    try:
        yield client
    finally:
        client.close()


@contextmanager
def _of_processes(n: int) -> Iterator[Client]:
    """Start processes on this computer, which only this one can reach: by certificates of their own."""
    from distributed import LocalCluster

    try:
        cluster = LocalCluster(
            n_workers=n,
            threads_per_worker=1,
            processes=True,
            protocol="tls://",
            security=_certificates(),
            dashboard_address=_PAGES,
            memory_limit=None,
            silence_logs=logging.CRITICAL,
        )
    except (OSError, RuntimeError) as error:
        raise EatlasError(f"the processes do not start ({_brief(error)})", where="scheduler") from error
    with cluster, _connected(cluster, "the processes do not answer") as client:
        yield client


@contextmanager
def _of_slurm(file: SlurmFile) -> Iterator[Client]:
    """Submit jobs to Slurm; workers come as they begin, and go with the context."""
    try:
        from dask_jobqueue.slurm import SLURMCluster
    except ImportError:
        raise SettingsError("dask-jobqueue is not installed", where="scheduler", fix=_INSTALL) from None
    try:
        cluster = SLURMCluster(**slurm_options(file))
    except (OSError, ValueError, RuntimeError) as error:
        raise EatlasError(f"Slurm's jobs cannot be made ({_brief(error)})", where="scheduler") from None
    with cluster:
        try:
            cluster.scale(jobs=file.jobs)
        except (OSError, RuntimeError) as error:
            raise EatlasError(f"Slurm takes no jobs ({_brief(error)})", where="scheduler") from None
        with _connected(cluster, "the scheduler does not answer") as client:
            yield client


def slurm_options(file: SlurmFile) -> dict[str, Any]:
    """Return what ``dask_jobqueue.SLURMCluster`` is called with: a worker takes one piece of work at a time.

    dask counts a piece of work as a thread; how many processors its own threads have is for Slurm to know.
    """
    found: dict[str, Any] = {
        "cores": file.tasks_per_job,
        "processes": file.tasks_per_job,
        "job_cpu": file.cores,
        "job_name": "eatlas",
        "scheduler_options": {"dashboard": False, "dashboard_address": _PAGES},
        **file.options,
    }
    if file.tls:
        found |= {"protocol": "tls://", "security": _certificates()}
    return found


def _certificates() -> Any:
    """Return certificates that only this run knows; SettingsError where they cannot be made."""
    from distributed import Security

    try:
        return Security.temporary()
    except ImportError:
        raise SettingsError("cryptography is not installed", where="scheduler", fix=_INSTALL) from None


def _brief(error: BaseException) -> str:
    """Return the first line of what an error says."""
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:200]
