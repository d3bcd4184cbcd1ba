"""Check the user's code of a search-space file as a sweep does before its first trial."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sweeps.driver.code_versions import checked_code
from sweeps.driver.ends import Signals
from sweeps.driver.log import event_log
from sweeps.driver.request import Request
from sweeps.driver.site import running_ray
from sweeps.spec.model import SweepSpec
from sweeps.words import megabytes

if TYPE_CHECKING:
    from sweeps.cluster.code_check import CheckedCode

TICK = "\N{CHECK MARK}"


def check_users_code(spec: SweepSpec, request: Request) -> "list[CheckedCode]":
    """Check a file's training loop, or its combinations of components, in a worker like that of a trial.

    Args:
        spec: The sweep.
        request: The Ray cluster to check on, and where to show the progress. Nothing is written.

    Returns:
        What the checks found; empty if the file names no code of a user's own.

    Raises:
        SweepError: The code fails a check, the dataset cannot be loaded, or no cluster answers.
        SweepInterrupted: A signal stopped the check.
    """
    signals, sources = Signals(), checked_code(spec, request, None, "check")
    with signals.caught(), event_log(request.terminal), running_ray(spec, request, sources):
        signals.catch()
        from sweeps.cluster.nodes import check_only
        from sweeps.cluster.resources import reserved
        from sweeps.driver.first_worker import FirstWorker
        from sweeps.driver.preparation import users_code

        code = users_code(spec)
        if code.is_empty:
            return []
        resources = reserved(spec.resources)
        worker = FirstWorker(spec, resources, request.terminal, signals.check, shares=request.is_cluster)
        found: list[CheckedCode]
        found, _ = worker.results("Checking your code", check_only, code)
        return found


def lines(found: "CheckedCode") -> Iterator[str]:
    """Yield what a check found, as lines for the user."""
    yield f"{found.name} on the {'GPU' if found.device == 'cuda' else 'CPU'}"
    yield from (f"{TICK} {sentence}" for sentence in found.passed)
    yield from (f"! {remark}" for remark in found.remarks)
    if found.step_s is not None:
        yield f"step         {_time(found.step_s)}"
        size = found.checkpoint_bytes
        yield f"checkpoint   {'none' if size is None else f'about {megabytes(size)}'}"
        yield f"interrupted  {'starts over' if size is None else 'resumes exactly'}"
        report = "best report" if found.keeps_best else "last step, because the loop yields no generator"
        yield f"final score  of the {report}"


def _time(seconds: float) -> str:
    """Return a short time.

    >>> _time(0.0123), _time(2.5)
    ('12.3 ms', '2.5 s')
    """
    return f"{1e3 * seconds:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"
