"""Records of sweeps for tests, written without training."""

from contextlib import ExitStack
from functools import cache
from io import BytesIO

from PIL import Image

import gan_core
import sweeps
from gan_core.architectures import architectures
from sweeps.analysis.contest import begun
from sweeps.record.layout import create_sweep_folder, samples_file, weights_file
from sweeps.record.ledger import Ledger
from sweeps.record.locks import running_lock
from sweeps.record.reading import read_ledger
from sweeps.record.status import Stage, Status
from sweeps.record.trial import Trial
from sweeps.spec.sections import Confirm

HOSTILE = "ValueError: <script>document.title = 'taken'</script> & <b>bold</b>"

SPEC = {
    "dataset": "mnist-5k",
    "method": "tpe",
    "parameters": {
        "loss": {"distribution": "categorical", "values": ["bce", "lsgan"]},
        "penalty": {"distribution": "categorical", "values": ["none", "r1"]},
        "lr": {"distribution": "log_uniform_values", "min": 1e-4, "max": 1e-2},
        "penalty_weight": {
            "distribution": "log_uniform_values",
            "min": 0.1,
            "max": 10.0,
            "when": {"penalty": ["r1"]},
        },
        "steps": {"distribution": "constant", "value": 400},
    },
}

STATUSES = (
    *(Status.COMPLETED, Status.PRUNED, Status.CRASHED, Status.DIVERGED, Status.COMPLETED, Status.PRUNED),
    *(Status.COMPLETED, Status.PRUNED, Status.COMPLETED, Status.INTERRUPTED),
)
"""The statuses of the trials of :func:`write_sweep`; the first trial is the baseline."""


def params_of(number):
    """Return the parameters of a trial; every second trial has a penalty."""
    params = {"loss": ("bce", "lsgan")[number // 2 % 2], "penalty": ("none", "r1")[number % 2]}
    weight = {"penalty_weight": 0.1 * (number + 1)} if number % 2 else {}
    return params | {"lr": 1e-4 * (number + 1) ** 2} | weight


_RUNNING = ExitStack()
"""Holds the locks of the sweeps that are written as running."""


@cache
def grid():
    buffer = BytesIO()
    Image.effect_noise((8 * 28, 8 * 28), 80).save(buffer, format="PNG")
    return buffer.getvalue()


def write_sweep(
    results, name="tiny", *, statuses=STATUSES, metrics=("fid",), status=Status.COMPLETED, reports=4
):
    """Write a sweep; later trials are better, and every trial improves with its steps."""
    goals = {"recall": "maximize", "precision": "maximize"}
    spec = SPEC | {
        "name": name,
        "trials": len(statuses),
        "metric": [{"name": metric, "goal": goals.get(metric, "minimize")} for metric in metrics],
    }
    ledger = Ledger(create_sweep_folder(results, name, exact=True), spec)
    ledger.describe({"floors": {"fid": 7.1, "recall": 0.9}, "extractor": "sha256:0"})
    ledger._connection.execute("PRAGMA synchronous = OFF")
    for number, ended in enumerate(statuses):
        _write_trial(ledger, f"{name}-{number:04d}", number, ended, metrics[0], reports)
    if status is Status.RUNNING:
        ledger._connection.close()
        _RUNNING.enter_context(running_lock(ledger.folder))
    else:
        ledger.close(status)
    return ledger.folder


def _write_trial(ledger, trial_id, number, ended, metric, reports):
    params = params_of(number)
    config = params | {"steps": 100 * reports, "eval_samples": 500, "final_samples": 5000}
    ledger.start(Trial(trial_id, number, params, config, number == 0))
    last = reports if ended is Status.COMPLETED else 2
    for index in range(0 if ended is Status.CRASHED else last):
        step, scores = 100 * (index + 1), scores_of(number, index)
        file = samples_file(ledger.folder, trial_id, step)
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(grid())
        ledger.report(trial_id, step, scores | {"g_loss": 0.5}, scores[metric])
    if ended is Status.COMPLETED:
        ledger.end(trial_id, ended, final={"fid": 1.1 * scores_of(number, last - 1)["fid"], "recall": 0.5})
    elif ended is not Status.RUNNING:
        failed = ended in {Status.CRASHED, Status.DIVERGED}
        ledger.end(trial_id, ended, *([HOSTILE, f"Traceback\n{HOSTILE}"] if failed else []))


def scores_of(number, index):
    """Return the scores of a trial's report."""
    return {"fid": 2000.0 / (number + 1) ** 2 / (index + 1), "recall": 0.1 + 0.01 * number + 0.02 * index}


def write_confirmation(folder, scores, status=Status.COMPLETED, **settings):
    """Write a confirmation, also after an earlier one, and return the sweep.

    ``scores`` has, by trial and seed, a score, a failure, or a failure and its reason.
    """
    seeds = max(2, *map(len, scores.values()))
    record = read_ledger(folder.name, folder.parent)
    asked = Confirm(**{"seeds": seeds} | settings)
    change = {"command": "confirm", "settings": asked.model_dump()}
    ledger = Ledger(folder, record.facts["spec"], begun(record.facts, asked, list(scores)), change)
    number = len(record.replicas)
    for place in range(seeds):
        for of in scores:
            if place >= len(scores[of]):
                continue
            score, trial_id = scores[of][place], f"{of}-seed{place + 1}"
            config = {"steps": 10, "eval_samples": 200, "final_samples": 1000, "seed": 2**32 + place}
            ledger.start(Trial(trial_id, number, {}, config, of.endswith("0000"), Stage.CONFIRM, of))
            number += 1
            if isinstance(score, Status | tuple):
                ledger.report(trial_id, 5, {"fid": 1.0}, 1.0)
                ledger.end(trial_id, *(score if isinstance(score, tuple) else [score]))
            else:
                ledger.end(trial_id, Status.COMPLETED, final={"fid": score, "kid": -score})
    ledger.close(status)
    return sweeps.load(folder.name, folder.parent)


def write_generator(folder, trial_id, **params):
    """Save an untrained generator as a trial's, and return it."""
    config, shape = gan_core.TrialConfig(**{"noise_dim": 8} | params), (1, 28, 28)
    weights = architectures.get(config.architecture).generator(config, shape).state_dict()
    gan_core.save_generator(weights_file(folder, trial_id), config, shape, weights)
    return gan_core.load_generator(weights_file(folder, trial_id), allow_imports=True)


CONFIG = {"steps": 10, "eval_samples": 200, "final_samples": 1000, "loss": "bce"}


def write_search(results, *fids, name="tiny", spec=None, facts=None, further=(), steps=10):
    """Write a sweep with a completed trial for each fid; the first trial is the baseline.

    ``further`` has the number of a trial and a fid, or None if it diverged, of each further seed.
    """
    folder = create_sweep_folder(results, name, exact=True)
    ledger = Ledger(folder, {"name": name, "dataset": "mnist-5k"} | (spec or {}))
    ledger.describe({"extractor": "sha256:0", "floors": {"fid": 7.0, "kid": 0.1}} | (facts or {}))
    for number, fid in enumerate(fids):
        params = {"lr": 0.1 * (number + 1)}
        trial_id = f"{name}-{number:04d}"
        config = CONFIG | params | {"seed": number, "steps": steps}
        ledger.start(Trial(trial_id, number, params, config, number == 0))
        ledger.report(trial_id, 10, {"fid": fid, "kid": fid / 10}, fid)
        ledger.end(trial_id, Status.COMPLETED, final={"fid": fid + 1, "kid": fid / 10})
    for number, (of, fid) in enumerate(further, len(fids)):
        params, trial_id = {"lr": 0.1 * (of + 1)}, f"{name}-{number:04d}"
        config = CONFIG | params | {"seed": number}
        ledger.start(Trial(trial_id, number, params, config, is_baseline=False, of=f"{name}-{of:04d}"))
        if fid is None:
            ledger.end(trial_id, Status.DIVERGED, "g_loss is nan")
            continue
        ledger.report(trial_id, 10, {"fid": fid, "kid": fid / 10}, fid)
        ledger.end(trial_id, Status.COMPLETED, final={"fid": fid + 1, "kid": fid / 10})
    ledger.close(Status.COMPLETED)
    return folder


def write_kept(results, memorisation=0.9, copies=None, facts=None, **params):
    """Write a sweep with two completed trials and one stopped early; the better one's generator is kept."""
    folder = create_sweep_folder(results, "tiny", exact=True)
    ledger = Ledger(folder, SPEC | {"name": "tiny", "metric": [{"name": "fid", "goal": "minimize"}]})
    ledger.describe({"extractor": "sha256:0", "floors": {"fid": 7.0}} | (facts or {}))
    for number, fid in enumerate((90.0, 30.0, 20.0)):
        config = gan_core.TrialConfig(noise_dim=8, seed=number, **params).model_dump()
        trial_id = f"tiny-{number:04d}"
        ledger.start(Trial(trial_id, number, {}, config, number == 0))
        ledger.report(trial_id, 10, {"fid": fid}, fid)
        if number < 2:
            final = {"fid": fid, "memorisation": memorisation}
            ledger.end(
                trial_id, Status.COMPLETED, final=final if copies is None else final | {"copies": copies}
            )
        else:
            ledger.end(trial_id, Status.PRUNED)
    ledger.close(Status.COMPLETED)
    write_generator(folder, "tiny-0001", **params)
    return folder
