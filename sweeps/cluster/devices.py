"""Choose the device of a worker."""

from gan_core.memory import limit_gpu_memory


def worker_device(gpus: float) -> str:
    """Return the device that this worker trains on, and limit its memory there to the worker's share.

    Args:
        gpus: The number of GPUs that Ray has reserved for the worker, which may be a fraction.
    """
    import torch

    if not gpus or not torch.cuda.is_available():
        return "cpu"
    limit_gpu_memory(min(1.0, gpus))
    return "cuda"
