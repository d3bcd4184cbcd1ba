"""Imports point one way, and start-up imports nothing heavy."""

import subprocess
import sys

import pytest

HEAVY = {"torch", "ray", "optuna", "mlflow", "pandas", "torchvision"}


def imported_by(statement):
    code = f"import sys; {statement}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return HEAVY & set(done.stdout.split())


def test_gan_core_knows_nothing_of_ray_optuna_or_mlflow():
    statement = "import gan_core, gan_core.training, gan_core.features; gan_core.load_dataset('mnist-5k')"
    assert imported_by(statement) == {"torch"}


def test_a_training_loads_no_compiler():
    trains = (
        "import sys, torch; from gan_core import Trainer, TrialConfig;"
        "trainer = Trainer(TrialConfig(ema_decay=0.9, spectral_norm=True), (1, 28, 28));"
        "trainer.step(torch.zeros(2, 1, 28, 28), torch.zeros(2, 96));"
        "trainer.load_state_dict(trainer.state_dict()); print('torch._dynamo' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", trains], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.parametrize(
    ("module", "allowed"),
    [
        ("gan_core", set()),
        ("sweeps", set()),
        ("sweeps.cli", set()),
        ("sweeps.spec", set()),
        ("sweeps.ledger", set()),
        ("sweeps.ranking", {"pandas"}),
        ("sweeps.tracking", set()),
        ("sweeps.tracker", set()),
        ("sweeps.plots", {"pandas"}),
        ("sweeps.report", {"pandas"}),
        ("sweeps.environment", set()),
    ],
)
def test_start_up_imports_nothing_heavy(module, allowed):
    assert imported_by(f"import {module}") <= allowed


def test_every_public_name_is_there():
    code = "import gan_core, sweeps; [getattr(m, n) for m in (gan_core, sweeps) for n in m.__all__];"
    code += "assert all({*m.__all__} <= {*dir(m)} for m in (gan_core, sweeps))"
    subprocess.run([sys.executable, "-c", code], check=True)
