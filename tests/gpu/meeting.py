"""A trainable whose workers wait for each other; it imports no more than the real one."""

import os
from pathlib import Path
from time import monotonic, sleep

from sweeps.cluster.trainable import GanTrainable

WORKERS, TIMEOUT_S = 2, 120.0


class MeetingTrainable(GanTrainable):
    """Starts its first trial once two workers have started, so that their trials run at the same time."""

    def setup(self, config, **shared):
        super().setup(config, **shared)
        folder = Path(config["checkpoint"]).parent
        (folder / f"worker-{os.getpid()}").touch()
        until = monotonic() + TIMEOUT_S
        while len([*folder.glob("worker-*")]) < WORKERS and monotonic() < until:
            sleep(0.05)
