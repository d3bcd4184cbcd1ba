"""Draw with an exported folder as somebody without gan-sweep's other packages would."""

import subprocess
import sys


def drawn_without_sweeps(folder):
    """Return the PNG that an export's script writes without Ray, Optuna, MLflow and sweeps."""
    samples = folder / "samples.png"
    samples.unlink()
    code = (
        "import sys, runpy; sys.modules |= dict.fromkeys(['ray', 'optuna', 'mlflow', 'sweeps']);"
        "runpy.run_path('draw.py')"
    )
    subprocess.run([sys.executable, "-c", code], cwd=folder, check=True)
    return samples.read_bytes()
