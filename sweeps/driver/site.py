"""Where the trials of a sweep run."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from sweeps.cluster.code import Code
from sweeps.cluster.storage import Storage, chosen_storage
from sweeps.driver.request import Request
from sweeps.errors import SweepError
from sweeps.record.reading import Record
from sweeps.spec.model import SweepSpec

if TYPE_CHECKING:
    import ray


@dataclass(frozen=True)
class Site:
    """Where trials run.

    Args:
        is_cluster: Whether trials run on a Ray that this process did not start.
        resources: What Ray reserves for a trial.
        storage: Where the states of unfinished trials are kept; None for the sweep's folder.
        loaded: What all workers share (:class:`sweeps.driver.preparation.Prepared`), or None.
        measure: The images and the extractor of the trials, as far as they are known before the first report.
        warnings: Why scores are less reliable than they look.
        code: The code of users that the trials import.
    """

    is_cluster: bool
    resources: dict[str, float]
    storage: Storage | None
    loaded: "ray.ObjectRef | None"
    measure: Mapping[str, Any]
    warnings: Sequence[str]
    code: Code


def storage_again(record: Record, request: Request) -> Storage | None:
    """Return where a resumed sweep keeps the states of its unfinished trials."""
    recorded = record.facts.get("storage")
    return chosen_storage(record.folder.name, request.storage, recorded, is_cluster=request.is_cluster)


def prepared_site(
    spec: SweepSpec,
    storage: Storage | None,
    request: Request,
    code: Code,
    *,
    check: Callable[[], None],
    recorded_images: Mapping[str, Any] | None = None,
) -> Site:
    """Return where trials run, after a check that everything trials need is available there.

    Args:
        spec: The sweep.
        storage: Where the states of unfinished trials are kept; None for the sweep's folder.
        request: What the command asked for.
        code: The code of users that the trials import.
        check: Called repeatedly while this function waits; an exception of it ends the wait.
        recorded_images: As for :func:`sweeps.driver.preparation.prepare`.

    Raises:
        SweepError: A node, the storage or the dataset is missing something.
    """
    from sweeps.cluster.remote import check_nodes
    from sweeps.cluster.resources import alive, reserved
    from sweeps.driver.preparation import prepare

    resources = reserved(spec.resources)
    check()
    if storage is not None:
        storage.prepare()
        if spec.is_population_based and storage.uri is None and len(alive()) > 1:
            raise SweepError(
                "pbt on several nodes needs --storage DIR: trials load one another's states from there"
            )
        with request.terminal.announced("Checking what each node has installed"):
            check_nodes(storage, check)
    prepared = prepare(
        spec,
        resources,
        request.terminal,
        check=check,
        shares=request.is_cluster,
        recorded_images=recorded_images,
    )
    found = prepared.shared, prepared.measure, prepared.warnings
    return Site(request.is_cluster, resources, storage, *found, code)


@contextmanager
def running_ray(spec: SweepSpec, request: Request, code: Code) -> Iterator[None]:
    """Start Ray or join a cluster for the block, and import what trains with Ray meanwhile."""
    address = request.address
    with ExitStack() as running:
        activity = "Starting Ray" if address is None else f"Joining the Ray cluster at {address}"
        with request.terminal.announced(activity), ThreadPoolExecutor(1) as meanwhile:
            from sweeps.cluster.connection import local_ray, running_cluster

            meanwhile.submit(import_module, "sweeps.driver.session")
            running.enter_context(
                local_ray(spec.resources)
                if address is None
                else running_cluster(address, code, [request.results])
            )
        yield
