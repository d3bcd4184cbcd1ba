"""Imports point one way, and start-up imports nothing heavy."""

import ast
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

HEAVY = {"torch", "ray", "optuna", "mlflow", "pandas", "torchvision"}


def imported_by(statement):
    code = f"import sys; {statement}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return HEAVY & set(done.stdout.split())


def test_gan_core_imports_neither_ray_nor_optuna_nor_mlflow():
    statement = "import gan_core, gan_core.training, gan_core.evaluation; gan_core.load_dataset('mnist-5k')"
    assert imported_by(statement) == {"torch"}


def test_a_training_does_not_import_the_compiler():
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
        ("sweeps.spec.model", set()),
        ("sweeps.record.ledger", set()),
        ("sweeps.analysis.sweep", {"pandas"}),
        ("sweeps.tracking.mirror", set()),
        ("sweeps.tracking.tracker", set()),
        ("sweeps.report.plots", {"pandas"}),
        ("sweeps.report.page", {"pandas"}),
        ("sweeps.driver.environment", set()),
    ],
)
def test_start_up_imports_nothing_heavy(module, allowed):
    assert imported_by(f"import {module}") <= allowed


def test_every_public_name_exists():
    code = "import gan_core, sweeps; [getattr(m, n) for m in (gan_core, sweeps) for n in m.__all__];"
    code += "assert all({*m.__all__} <= {*dir(m)} for m in (gan_core, sweeps))"
    subprocess.run([sys.executable, "-c", code], check=True)


REFERENCE = re.compile(r"(?:sweeps|gan_core)(?:\.[A-Za-z_]\w*)+")


def references():
    """Yield the file and name of each module, class or function that a string of the code names."""
    for package in ("gan_core", "sweeps", "benchmarks"):
        for file in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    found = [node.value] if REFERENCE.fullmatch(node.value) else []
                    found += re.findall(r":\w+:`~?(\S+?)`", node.value)
                    found += re.findall(r"^from (\S+) import", node.value, re.MULTILINE)
                    yield from ((file, name) for name in found if REFERENCE.fullmatch(name))


def resolves(name):
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found = import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for index, part in enumerate(parts[length:], length):
            if not hasattr(found, part):
                return index == len(parts) - 1 and part in getattr(found, "__annotations__", {})
            found = getattr(found, part)
        return True
    return False


def test_every_name_in_a_string_resolves():
    names = {*references()}
    assert len(names) > 30
    assert [f"{file.name}: {name}" for file, name in names if not resolves(name)] == []
