"""Distinguish the death of a worker from an exception that the code of a trial raised."""

import re
from pathlib import Path

from ray import cloudpickle
from ray.exceptions import RayTaskError
from ray.tune.experiment import Trial as TuneTrial

_TRACEBACKS = "Traceback (most recent call last)", "ray::"
"""How tracebacks begin: in this process, and in a worker."""

_PASSED = re.compile(r'^ *File "(.+)", line (\d+)', re.MULTILINE)
"""A file and a line of a traceback."""

_OUT_OF_MEMORY = {"MemoryError", "OutOfMemoryError"}

_GPU_OUT_OF_MEMORY = (
    "CUDA out of memory",
    "CUDA error: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
)
"""What PyTorch, CUDA, cuBLAS and cuDNN say if a GPU has too little memory."""

_GPU_ERROR = "CUDA error: "
"""What PyTorch says if CUDA reports any other error; the process cannot use its GPU afterwards."""


def error_of(trial: TuneTrial) -> Exception | None:
    """Return the exception that a trial failed with; None if this process raised it, or cannot load it.

    ``get_pickled_error`` looks in Tune's storage, to which Tune copies the exception only later.
    """
    file = trial.pickled_error_file
    if not file or not Path(file).exists():
        return None
    try:
        error: Exception = cloudpickle.loads(Path(file).read_bytes())
    except Exception:  # noqa: BLE001 - an exception class of the user's may refuse to be loaded
        return None
    return error


def reason_of(traceback: str, train: str | None) -> str:
    """Return why the code of a trial raised: the exception, and the loop's last line that it passed.

    Args:
        traceback: Tune's text of the error.
        train: The import path of the training loop; None for gan_core's own.
    """
    reason = traceback.strip().splitlines()[-1]
    if train is None:
        return reason
    from gan_core.hyperparameters import named_loop
    from gan_core.loops.declaration import file_of

    file = Path(file_of(named_loop(train))).name
    lines = [line for passed, line in _PASSED.findall(traceback) if Path(passed).name == file]
    return f"{reason} ({file}, line {lines[-1]})" if lines else reason


def death_of(error: Exception | None, message: str) -> str | None:
    """Return why a trial's worker died; None if the code of the trial or of gan-sweep raised.

    Args:
        error: What :func:`error_of` returns.
        message: Tune's text of the error: of an exception in this process, its traceback.

    Out of memory counts as a death: other trials may have used the memory up. A worker that runs out of a
    GPU's memory while it starts, or within a component that raises an error of its own, has died, too. So has
    a worker that cannot use its GPU any more: the GPU or, with NVIDIA's MPS, another trial may be the cause.
    """
    if any(words in text for words in _GPU_OUT_OF_MEMORY for text in (message, str(error))):
        return (
            "GpuOutOfMemory: the GPU had too little memory for the trial; use a larger share of a GPU"
            " (resources.gpu) or a smaller batch_size"
        )
    if _GPU_ERROR in message or _GPU_ERROR in str(error):
        return "GpuError: CUDA reported an error, after which the worker could not use its GPU"
    cause = error.cause if isinstance(error, RayTaskError) else error
    if type(cause).__name__ in _OUT_OF_MEMORY:
        return "OutOfMemory: the worker had too little memory"
    is_raised = isinstance(error, RayTaskError) or getattr(error, "actor_init_failed", False)
    is_raised = is_raised or (error is None and any(begin in message for begin in _TRACEBACKS))
    return None if is_raised else "WorkerDied: it was killed, ran out of memory, or crashed"
