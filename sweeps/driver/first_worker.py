"""Call a function in a worker before the first trial, and show its progress."""

from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError

from gan_core.errors import GanCoreError, in_one_line
from sweeps.cluster.code_check import UsersCode
from sweeps.cluster.remote import SECONDS_BETWEEN_CHECKS, on_node, own_node_id
from sweeps.cluster.shipping import import_folders
from sweeps.driver.progress import Terminal
from sweeps.errors import SweepError
from sweeps.spec.model import SweepSpec


class FirstWorker:
    """A worker that loads a sweep's dataset before the first trial.

    Args:
        spec: The sweep.
        resources: What Ray reserves for a trial, and for this worker.
        terminal: Shows the progress.
        check: Called repeatedly while the worker works; an exception of it ends the wait.
        shares: Whether the worker runs on this node, without the resources of a trial, and shares the dataset
            with all nodes.
    """

    def __init__(
        self,
        spec: SweepSpec,
        resources: Mapping[str, float],
        terminal: Terminal,
        check: Callable[[], None],
        *,
        shares: bool,
    ) -> None:
        self._spec = spec
        self._resources = resources
        self._terminal = terminal
        self._check = check
        self._shares = shares

    def results(
        self, activity: str, function: Callable[..., Any], code: UsersCode, *more: object
    ) -> tuple[Any, ray.ObjectRef]:
        """Call a function of :mod:`sweeps.cluster.nodes` that returns two results.

        Args:
            activity: What the function does, for the user.
            function: The function. It writes its progress to a file.
            code: The user's code that it checks.
            more: Its last arguments.

        Returns:
            The first result, and where Ray keeps the second one.

        Raises:
            SweepError: The function failed, or its worker died.
        """
        with self._terminal.announced(activity) as show, TemporaryDirectory(prefix="gan-sweep-") as folder:
            note = Path(folder) / "progress"
            done, other = self._start(function, code, note, more)
            while not ray.wait([done], timeout=SECONDS_BETWEEN_CHECKS)[0]:
                self._check()
                _show(note, show)
            last_line = _show(note, show)
            self._check()
            try:
                return ray.get(done), other
            except RayTaskError as error:
                raise SweepError(failure(self._spec.dataset, error.cause)) from error
            except RayError as error:
                raise SweepError(self._death(last_line, error)) from error

    def _start(
        self, function: Callable[..., Any], code: UsersCode, note: Path, more: tuple[object, ...]
    ) -> tuple[ray.ObjectRef, ray.ObjectRef]:
        trial_options = {"num_cpus": self._resources["cpu"], "num_gpus": self._resources["gpu"]}
        options = {"num_cpus": 0, **on_node(own_node_id())} if self._shares else trial_options
        task = ray.remote(**options, max_retries=0, max_calls=1, num_returns=2)(function)
        for_trials = trial_options if self._shares else None
        arguments = self._spec.data, code, self._resources, import_folders(), note, for_trials
        started: tuple[ray.ObjectRef, ray.ObjectRef] = task.remote(*arguments, *more)
        return started

    def _death(self, last_line: str, error: RayError) -> str:
        """Return why the worker died, as a message for the user."""
        train, timeout = self._spec.train, self._spec.trial_timeout
        if train is None or train not in last_line:
            return f"the worker that loads {self._spec.dataset} died: {error}"
        within = f" or exceeded trial_timeout, {timeout:g} s" if timeout else ""
        return f"{train}: the worker that checked it died{within} while it was {last_line}"


def failure(dataset: str, cause: BaseException) -> str:
    """Return an error in the worker as a message for the user."""
    return str(cause) if isinstance(cause, GanCoreError) else f"dataset {dataset}: {in_one_line(cause)}"


def _show(note: Path, show: Callable[[str], None]) -> str:
    """Show and return what the worker has noted last; the file is empty while the worker replaces it."""
    line = note.read_text(encoding="utf-8") if note.exists() else ""
    if line:
        show(line)
    return line
