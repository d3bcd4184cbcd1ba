"""A trainable that records what its process has done; it imports no more than the real one."""

import json
import os
import sys
from pathlib import Path

import psutil

import gan_core
from sweeps.cluster.trainable import GanTrainable

NOTES = "GAN_SWEEP_NOTES"


class NotingTrainable(GanTrainable):
    """Records with every report how often its process set up, loaded data and imported so far."""

    setups = 0
    loads = 0

    def setup(self, config, **parameters):
        NotingTrainable.setups += 1
        gan_core.load_dataset = counting_loads(gan_core.load_dataset)
        super().setup(config, **parameters)

    def step(self):
        result = super().step()
        note = {
            "pid": os.getpid(),
            "trial_id": self._trial_id,
            "setups": self.setups,
            "loads": self.loads,
            "modules": sorted(sys.modules),
            "workers_started": workers_started(),
        }
        with Path(os.environ[NOTES]).open("a", encoding="utf-8") as file:
            file.write(f"{json.dumps(note)}\n")
        return result


def counting_loads(load_dataset):
    def counted(*arguments, **options):
        NotingTrainable.loads += 1
        return load_dataset(*arguments, **options)

    return counted


def workers_started():
    """Return the number of workers that Ray has started on this machine; each has its own log."""
    (folder,) = (each for each in psutil.Process().parent().cmdline() if each.startswith("--log_dir="))
    return len(list(Path(folder.removeprefix("--log_dir=")).glob("worker-*.out")))
