"""Files that are cut, and files and search spaces that are changed at random."""

import shutil
import time
import warnings
from contextlib import suppress
from pathlib import Path

import torch

from gan_core.checkpoint import load_checkpoint, load_latest_checkpoint, previous_checkpoint, save_checkpoint
from gan_core.errors import CorruptedCheckpointError
from sweeps.analysis.loading import list_sweeps, load
from sweeps.errors import DamagedLedgerWarning, SpecError
from sweeps.record.ledger import Ledger
from sweeps.record.reading import read_ledger, read_reports
from sweeps.record.status import Status
from sweeps.spec.reading import load_spec
from tests.chaos.small import Workplace, kill
from tests.chaos.tally import Tally
from tests.e2e.commands import gan_sweep
from tests.sweeps.ledgers import write_sweep

ROOT = Path(__file__).parents[2]
PAGE = 4096
"""Bytes of a page of a record."""

ODDITIES = [
    *("null", "-1", "0", "1e999", ".nan", "[]", "{}", "''", "é\u202e", "true", "1_000", "0x1F", "2026-01-01"),
    *(
        "&a [*a]",
        "*b",
        "!!python/object/apply:os.system [ls]",
        "!!binary x",
        "{value: {value: 1}}",
        "[[1], 2]",
    ),
    *("'os:system'", "../../etc", "999999999999999999999", "folder:/dev/null", "- - -", "? x", "%YAML 9.9"),
]


def _mutated(text, rng):
    """Return a search space with up to three changes."""
    for _ in range(rng.randint(1, 3)):
        lines = text.splitlines()
        at = rng.randrange(len(lines)) if lines else 0
        kind = rng.randrange(8)
        if not lines:
            return rng.choice(ODDITIES)
        if kind == 0:
            del lines[at]
        elif kind == 1:
            lines.insert(at, rng.choice(lines))
        elif kind == 2:
            lines[at] = lines[at].partition(":")[0] + ": " + rng.choice(ODDITIES)
        elif kind == 3:
            lines[at] = rng.choice("  \t") + lines[at]
        elif kind == 4:
            lines = lines[: at + 1]
        elif kind == 5 and lines[at]:
            place = rng.randrange(len(lines[at]))
            lines[at] = lines[at][:place] + chr(rng.randrange(1, 0x300)) + lines[at][place + 1 :]
        elif kind == 6:
            words = lines[at].split(" ")
            rng.shuffle(words)
            lines[at] = " ".join(words)
        else:
            lines[at] = lines[at].replace("1", rng.choice(["-1", "1e9", "0", "x"]))
        text = "\n".join(lines)
    return text


def mutated_specs(folder, rng, n):
    """Read changed search spaces: each is valid, or refused with a line for each fault."""
    tally = Tally("mutated search spaces")
    texts = [file.read_text(encoding="utf-8") for file in sorted((ROOT / "search_spaces").glob("*.yaml"))]
    file = folder / "mutated.yaml"
    for _ in range(n):
        text = _mutated(rng.choice(texts), rng)
        file.write_text(text, encoding="utf-8")
        try:
            with warnings.catch_warnings(action="ignore"):
                load_spec(file)
        except SpecError as error:
            tally.count(*([] if error.faults else [f"no fault is named in {text!r}"]))
        except Exception as error:  # noqa: BLE001 - what is looked for
            tally.count(f"{type(error).__name__}: {error} for {text!r}")
        else:
            tally.count()
    return tally


def _damaged(content, rng):
    """Return a file's bytes with some of them changed, zeroed or cut off."""
    if not content:
        return content
    at = rng.randrange(len(content))
    kind = rng.randrange(4)
    if kind == 0:
        return content[:at] + bytes([content[at] ^ (1 << rng.randrange(8))]) + content[at + 1 :]
    if kind == 1:
        return content[:at]
    length = min(rng.choice([16, 512, 4096]), len(content) - at)
    fill = bytes(length) if kind == 2 else rng.randbytes(length)
    return content[:at] + fill + content[at + length :]


def mutated_checkpoints(folder, rng, n):
    """Damage the newest checkpoint or both: the newest whole one is loaded, the damaged ones are reported."""
    tally, file = Tally("mutated checkpoints"), folder / "a.checkpoint"
    for step in (1, 2):
        save_checkpoint(file, {"step": step, "weights": torch.arange(5000.0) * step})
    whole = {each: each.read_bytes() for each in (file, previous_checkpoint(file))}
    for _ in range(n):
        both, reported = rng.random() < 0.3, []
        for each, content in whole.items():
            is_damaged = both or each == file
            each.write_bytes(_damaged(content, rng) if is_damaged else content)
        expected = [
            load for each in (file, previous_checkpoint(file)) if (load := _state_of(each)) is not None
        ]
        n_damaged = sum(each.read_bytes() != content for each, content in whole.items())
        state = load_latest_checkpoint(file, "cpu", reported.append)
        is_right = (state and state["step"]) == (expected[0] if expected else None)
        is_reported = len(reported) == min(n_damaged, 2) or bool(expected and expected[0] == 2)
        tally.count(
            *(
                []
                if is_right and is_reported
                else [f"{state and state['step']} was loaded, {reported} reported"]
            )
        )
    return tally


def _state_of(file):
    with suppress(CorruptedCheckpointError):
        return load_checkpoint(file)["step"]
    return None


def damaged_records(folder, rng, n):
    """Damage or cut a record or its copy: nothing is lost, as the other one of the two is whole."""
    tally, results = Tally("damaged records"), folder / "records"
    sound = write_sweep(results, "sound")
    expected = _content("sound", results)
    for number in range(n):
        name = f"broken{number}"
        shutil.copytree(sound, results / name)
        file = results / name / rng.choice(["ledger.db", "ledger.db", "ledger.copy.db"])
        file.write_bytes(_with_a_damaged_page(file.read_bytes(), rng))
        tally.count(*_problems_of(name, results, expected))
        shutil.rmtree(results / name)
    return tally


def _with_a_damaged_page(content, rng):
    """Return a database with a page of zeros or of random bytes, or cut at a random place."""
    kind = rng.randrange(3)
    if kind == 0:
        return content[: rng.randrange(len(content))]
    at = rng.randrange(0, len(content), PAGE)
    return content[:at] + (bytes(PAGE) if kind == 1 else rng.randbytes(PAGE)) + content[at + PAGE :]


def _content(name, results):
    """Return the trials and reports of a sweep."""
    record = read_ledger(name, results)
    return record.trials, read_reports(record.folder)


def _problems_of(name, results, expected):
    """Read a damaged record, restore it, and read it again; return what is not as it should be."""
    try:
        with warnings.catch_warnings(action="ignore", category=DamagedLedgerWarning):
            if _content(name, results) != expected:
                return [f"{name}: another content was read"]
            list_sweeps(results)
        Ledger(results / name, {}).close(Status.COMPLETED)
        with warnings.catch_warnings(action="error"):
            if _content(name, results) != expected:
                return [f"{name}: another content was restored"]
    except Exception as error:  # noqa: BLE001 - what is looked for
        return [f"{name}: {type(error).__name__}: {error}"]
    return []


KINDS = [
    *("ledger.db", "ledger.db-wal", "ledger.copy.db", "study.db", "checkpoints/*.checkpoint"),
    *("checkpoints/*.previous", "weights/*.safetensors", "samples/*/*.png", "report.html", "running.lock"),
    "../mlflow.db",
]


def truncations(place: Workplace, rng, kinds=KINDS):
    """Cut a file of each kind of a killed sweep, and resume the sweep."""
    tally = Tally("truncated files")
    process = place.start(*place.command("cut"))
    while len(place.ended("cut")) < 2 and process.poll() is None:
        time.sleep(0.1)
    kill(process, workers_too=True)
    for kind in kinds:
        results = place.folder / f"cut-{KINDS.index(kind)}" / "results"
        shutil.copytree(place.folder / "results" / "cut", results / "cut")
        shutil.copy(place.folder / "results" / "mlflow.db", results)
        shutil.copytree(place.folder / "results" / "whole", results / "whole")
        files = sorted((results / "cut").glob(kind)) if ".." not in kind else [results / "mlflow.db"]
        for file in files:
            file.write_bytes(file.read_bytes()[: rng.randrange(file.stat().st_size + 1)])
        tally.count(*(f"{kind}: {problem}" for problem in _resumed(place, results)))
    return tally


def _resumed(place, results):
    done = gan_sweep("resume", "cut", "--quiet", cwd=results.parent)
    if done.returncode or "Traceback" in done.stderr:
        return [f"resume ended with {done.returncode}: {done.stderr[-300:]}"]
    for command in (["list"], ["rank", "cut"], ["report", "cut"]):
        shown = gan_sweep(*command, cwd=results.parent)
        if shown.returncode or "Traceback" in shown.stderr:
            return [f"{' '.join(command)} ended with {shown.returncode}: {shown.stderr[-300:]}"]
    trials = load("cut", results).trials
    return [] if len(trials) == 3 and set(trials["status"]) <= {"completed", "pruned"} else [f"{trials}"]
