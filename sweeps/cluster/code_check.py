"""Check users' code in a worker, with the device, the cores and the precision of a trial."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from sweeps.cluster.timeouts import ended_after

if TYPE_CHECKING:
    from gan_core import ImageDataset, LoopConfig

OnProgress = Callable[[str], object]


class UsersCode(NamedTuple):
    """The code of users that is checked before a sweep starts.

    Args:
        configs: The combinations of components with one of a user's own.
        loop: The import path of a training loop, and the hyperparameters to check it with; None without one.
            A worker makes the config of them, because it cannot unpickle one before it may import the module.
        timeout: Seconds after which a part of the check that does not end is ended with its worker; None for
            no end.
        constraints: The sweep's constraints on metrics, as typed.
    """

    configs: "list[LoopConfig]"
    loop: tuple[str, dict[str, Any]] | None = None
    timeout: float | None = None
    constraints: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether there is no code to check."""
        return not self.configs and self.loop is None


@dataclass(frozen=True)
class CheckedCode:
    """What the check of a loop, or of a combination of components, found.

    Args:
        name: The import path of the loop, or the names of the components.
        device: The device of the check: ``cpu`` or ``cuda``.
        passed: What the code does right, each a sentence without its subject.
        remarks: What the code omits or probably does wrong, each a sentence.
        step_s: Seconds a training step; None if no step was timed.
        checkpoint_bytes: The size of a loop's part of a checkpoint; None for a loop without a state.
        keeps_best: Whether the final score is that of the best report; otherwise, of the last step.
    """

    name: str
    device: str
    passed: tuple[str, ...]
    remarks: tuple[str, ...] = ()
    step_s: float | None = None
    checkpoint_bytes: int | None = None
    keeps_best: bool = True


def check_code(
    code: UsersCode,
    images: "ImageDataset",
    resources: Mapping[str, float],
    import_folders: list[str] | None,
    on_progress: OnProgress = lambda _: None,
    *,
    timed: bool = False,
) -> list[CheckedCode]:
    """Check users' code on the device, with the cores and in the precision of a trial.

    Args:
        code: What to check.
        images: The dataset.
        resources: The cores and GPUs of a trial.
        import_folders: As for :func:`sweeps.cluster.shipping.use_import_folders`.
        on_progress: Called with a line about the progress.
        timed: Whether to time the steps of the loop, too, which takes some seconds.

    Raises:
        ContractError: A component breaks its contract.
        LoopError: The loop fails its check.
    """
    from sweeps.cluster.children import later_children_ended

    device = as_a_trial(resources, import_folders)
    with later_children_ended(), ended_after(code.timeout) as start_time_anew:

        def progress(line: str) -> None:
            start_time_anew()
            on_progress(line)

        found = _check_components(code, images, device, progress)
        if code.loop:
            found.append(_check_loop(code, images, device, progress, timed=timed))
    return found


def _check_components(
    code: UsersCode, images: "ImageDataset", device: str, on_progress: OnProgress
) -> list[CheckedCode]:
    from gan_core import TrialConfig, check_contract

    found = []
    for number, config in enumerate(code.configs, 1):
        on_progress(f"checking components, combination {number} of {len(code.configs)}")
        if isinstance(config, TrialConfig):
            check_contract(config, images.image_shape, device)
            found.append(CheckedCode(_named(config), device, ("trains, resumes and draws samples",)))
    return found


def _named(config: Any) -> str:  # noqa: ANN401 - a config that names components
    """Return the components of a config: ``mine:Wide, lsgan, none in fp32``."""
    names = [getattr(config, kind) for kind in ("architecture", "loss", "penalty")]
    values = [
        f"{kind}.{name} {value!r}"
        for kind in ("architecture", "loss", "penalty")
        for name, value in config.parameters_of_component(kind).items()
    ]
    return f"{', '.join([*names, *values])} in {config.precision}"


def _check_loop(
    code: UsersCode,
    images: "ImageDataset",
    device: str,
    on_progress: OnProgress,
    *,
    timed: bool,
) -> CheckedCode:
    """Check a training loop; the warnings about the file already name a loop that takes no state.

    Raises:
        LoopError: The loop fails its check, or does not report a metric of a constraint.
    """
    from gan_core import check_loop
    from gan_core.errors import LoopError
    from gan_core.hyperparameters import config_of, named_loop
    from gan_core.loops.check import no_state
    from gan_core.loops.declaration import loop_name, takes_state
    from gan_core.loops.speed import loop_speed
    from sweeps.spec.constraints import parsed, unreported

    train, hyperparameters = code.loop or ("", {})
    config, loop = config_of(train).model_validate(hyperparameters), named_loop(train)
    name = loop_name(loop)
    on_progress(f"checking {name}")
    found = check_loop(loop, images, config, device, on_progress)
    if message := unreported(parsed(code.constraints), found.metrics):
        raise LoopError(f"{name}: {message}")
    known = set() if takes_state(loop) else {no_state(name)}
    remarks = tuple(remark for remark in found.remarks if remark not in known)
    step_s = None
    if timed:
        on_progress(f"timing the steps of {name}")
        step_s = loop_speed(loop, images, config, device).step_s
    return CheckedCode(train, device, found.passed, remarks, step_s, found.checkpoint_bytes, found.keeps_best)


def check_in_a_task(
    options: Mapping[str, Any],
    code: UsersCode,
    images: "ImageDataset",
    resources: Mapping[str, float],
    import_folders: list[str] | None,
    *,
    timed: bool = False,
) -> list[CheckedCode]:
    """Call :func:`check_code` in a new worker, and raise its exception.

    Args:
        options: What Ray reserves for a trial.
        code: As for :func:`check_code`, like all others.
        images: The dataset.
        resources: The cores and GPUs of a trial.
        import_folders: The folders to import from.
        timed: Whether to time the steps of the loop, too.

    Raises:
        ContractError: A component breaks its contract.
        LoopError: The loop fails its check, or the worker of the check died.
    """
    import ray
    from ray.exceptions import RayError, RayTaskError

    from gan_core.errors import LoopError, in_one_line

    task = ray.remote(**options, max_retries=0, max_calls=1)(check_code)
    try:
        found: list[CheckedCode] = ray.get(task.remote(code, images, resources, import_folders, timed=timed))
    except RayTaskError as error:
        raise error.cause from None
    except RayError as error:
        within = (
            f", or a part of it took longer than {code.timeout:g} s (trial_timeout)" if code.timeout else ""
        )
        raise LoopError(f"the worker that checked your code died{within}: {in_one_line(error)}") from None
    return found


def as_a_trial(resources: Mapping[str, float], import_folders: list[str] | None) -> str:
    """Give this process the import folders and the threads of a trial, and return a trial's device."""
    import torch

    from sweeps.cluster.devices import worker_device
    from sweeps.cluster.ending_signals import ignore_ending_signals
    from sweeps.cluster.shipping import use_import_folders

    ignore_ending_signals()
    use_import_folders(import_folders)
    torch.set_num_threads(int(resources["cpu"]))
    return worker_device(resources["gpu"])
