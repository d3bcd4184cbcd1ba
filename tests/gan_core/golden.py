"""Traces of the tutorial's three systems at its own settings: ``python -m tests.gan_core.golden``.

The module writes ``golden.json`` next to it, which takes about half an hour on one slow core.
"""

import json
from pathlib import Path

import torch

from gan_core import TrialConfig, load_dataset, train

FILE = Path(__file__).with_name("golden.json")
EPOCH_STEPS = 391
SYSTEMS = {
    "GAN": {"architecture": "mlp", "loss": "bce", "steps": 10 * EPOCH_STEPS},
    "LSGAN": {"architecture": "mlp", "loss": "lsgan", "steps": 10 * EPOCH_STEPS},
    "DCGAN": {"architecture": "dcgan", "loss": "bce", "steps": 5 * EPOCH_STEPS},
}
START = {"steps": 10, "report_every": 2}
FEW_SAMPLES = {"eval_samples": 500, "final_samples": 500, "precision": "fp32"}
TRACED = ("d_loss", "g_loss", "fid")


def trace(system, data, evaluator=None, **options):
    """Train a system and return step, d_loss, g_loss and fid of each report."""
    config = TrialConfig(**SYSTEMS[system] | FEW_SAMPLES | options)
    return [
        [report.step, *(report.metrics[name] for name in TRACED)] for report in train(config, data, evaluator)
    ]


def main():
    torch.set_num_threads(1)
    data = load_dataset("mnist-5k")
    golden = {
        system: {"start": trace(system, data, **START), "whole": trace(system, data)} for system in SYSTEMS
    }
    FILE.write_text(json.dumps(golden, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
