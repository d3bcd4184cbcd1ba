"""Choices that several modules name."""

from typing import Literal

Goal = Literal["minimize", "maximize"]
"""Whether a lower or a higher value of a metric is better."""

Precision = Literal["auto", "fp32", "bf16"]
"""The precision of a training step; ``auto`` is bf16 on hardware that multiplies it fast."""

CudaGraphs = Literal["off", "auto"]
"""Whether a CUDA graph replays the training steps; ``auto`` is on GPUs, if the components allow it."""
