"""Where the trials of a sweep run."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from rich.console import Console

from sweeps.cluster.storage import Storage, chosen_storage
from sweeps.driver.progress import announced
from sweeps.errors import SweepError
from sweeps.record.reading import Record
from sweeps.spec.model import SweepSpec

if TYPE_CHECKING:
    import ray


@dataclass(frozen=True)
class Target:
    """Where a sweep shall run.

    Args:
        address: ``auto`` or ``HOST:PORT`` of a Ray cluster that runs already; None for a Ray of its own here.
        storage: Where the states of unfinished trials are kept: a directory that all nodes see, or
            ``s3://...`` or ``gs://...``; None for the sweep's folder or, on a cluster, each node's own disk.
    """

    address: str | None = None
    storage: str | None = None


def storage_again(record: Record, target: Target) -> Storage | None:
    """Return where a sweep that is resumed keeps the states of its unfinished trials."""
    recorded, is_cluster = record.facts.get("storage"), target.address is not None
    return chosen_storage(record.folder.name, target.storage, recorded, is_cluster=is_cluster)


def prepared_site(
    spec: SweepSpec,
    target: Target,
    storage: Storage | None,
    console: Console,
    *,
    quiet: bool,
    check: Callable[[], None],
) -> "Site":
    """Return where trials run once all that they need is known to be there.

    Raises:
        SweepError: Something is not.
    """
    from sweeps.cluster.remote import check_nodes
    from sweeps.cluster.resources import alive, reserved
    from sweeps.driver.preparation import prepare

    resources, is_cluster = reserved(spec.resources), target.address is not None
    check()
    if storage is not None:
        storage.prepare()
        if spec.is_population_based and storage.uri is None and len(alive()) > 1:
            raise SweepError(
                "pbt on several nodes needs --storage DIR: trials take over one another's states from there"
            )
        with announced(console, "Asking each node for what trials need", quiet=quiet):
            check_nodes(storage, check)
    loaded = prepare(spec, resources, console, quiet=quiet, check=check, shares=is_cluster)
    return Site(is_cluster, resources, storage, loaded)


@contextmanager
def running_ray(spec: SweepSpec, address: str | None, console: Console, *, quiet: bool) -> Iterator[None]:
    """Start Ray or join a cluster, and import what needs it meanwhile; leave it at the end of the block."""
    with ExitStack() as running:
        doing = "Starting Ray" if address is None else f"Joining the Ray cluster at {address}"
        with announced(console, doing, quiet=quiet), ThreadPoolExecutor(1) as meanwhile:
            from sweeps.cluster.connection import local_ray, running_cluster

            meanwhile.submit(import_module, "sweeps.driver.session")
            running.enter_context(
                local_ray(spec.resources) if address is None else running_cluster(address, spec.import_paths)
            )
        yield


@dataclass(frozen=True)
class Site:
    """Where trials run.

    Args:
        is_cluster: Whether that is not this process's own Ray.
        resources: What Ray reserves for a trial.
        storage: Where their states are kept, where it is not the sweep's folder.
        loaded: What :func:`sweeps.driver.preparation.prepare` returns for them.
    """

    is_cluster: bool
    resources: dict[str, float]
    storage: Storage | None
    loaded: "ray.ObjectRef | None"
