"""Describe the hardware that a training runs on, so that a change of it is reported."""

from collections.abc import Mapping

import torch

from gan_core.loop_config import LoopConfig


def hardware(device: torch.device, config: LoopConfig) -> dict[str, str]:
    """Return the name of a device, and the hyperparameters that it decides: the precision.

    A CPU's name is ``CPU``, whatever its model; a GPU's name includes its compute capability.
    """
    return {"name": _name(device), **config.resolved(device)}


def move_message(there: Mapping[str, str] | None, here: Mapping[str, str]) -> str | None:
    """Return a message about a training that moves to different hardware; None if it does not move.

    Args:
        there: The :func:`hardware` of the checkpoint; None if an earlier version wrote the checkpoint.
        here: The hardware on which the training resumes.
    """
    if there is None or there == here:
        return None
    return (
        f"the checkpoint was written on {_sentence(there)}; training resumes on {_sentence(here)}, and its"
        " scores may differ slightly from those of an unbroken training"
    )


def _sentence(hardware: Mapping[str, str]) -> str:
    return " in ".join(hardware.values())


def _name(device: torch.device) -> str:
    if device.type != "cuda":
        return device.type.upper()
    major, minor = torch.cuda.get_device_capability(device)
    return f"{torch.cuda.get_device_name(device)} (compute capability {major}.{minor})"
