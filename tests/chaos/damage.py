"""Files that are cut, and files and specs that are changed at random."""

import shutil
import time
import warnings
from contextlib import suppress
from pathlib import Path

import torch

from gan_core.checkpoint import load_checkpoint, load_latest_checkpoint, previous_checkpoint, save_checkpoint
from gan_core.errors import CorruptedCheckpointError
from sweeps.analysis.loading import list_sweeps, load
from sweeps.errors import DamagedLedgerWarning, SpecError, SweepError
from sweeps.record.ledger import Ledger
from sweeps.record.past import Past
from sweeps.record.reading import read_ledger, read_reports
from sweeps.record.status import Status
from sweeps.search.searcher import Search
from sweeps.spec.model import SweepSpec
from sweeps.spec.reading import load_spec
from tests.chaos.small import Workplace, kill
from tests.chaos.tally import Tally
from tests.e2e.commands import gan_sweep
from tests.sweeps.ledgers import write_sweep

ROOT = Path(__file__).parents[2]
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
    """Return a spec with up to three things changed."""
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
    """Read changed specs: each is a valid one, or is refused with a line for each fault."""
    tally = Tally("mutated specs")
    texts = [file.read_text(encoding="utf-8") for file in sorted((ROOT / "search_spaces").glob("*.yaml"))]
    file = folder / "mutated.yaml"
    for _ in range(n):
        text = _mutated(rng.choice(texts), rng)
        file.write_text(text, encoding="utf-8")
        try:
            with warnings.catch_warnings(action="ignore"):
                load_spec(file)
        except SpecError as error:
            tally.count(*([] if error.faults else [f"no fault is told of {text!r}"]))
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
    """Damage the newest checkpoint, or both: the newest whole one is read, and what is not is said."""
    tally, file = Tally("mutated checkpoints"), folder / "a.checkpoint"
    for step in (1, 2):
        save_checkpoint(file, {"step": step, "weights": torch.arange(5000.0) * step})
    whole = {each: each.read_bytes() for each in (file, previous_checkpoint(file))}
    for _ in range(n):
        both, said = rng.random() < 0.3, []
        for each, content in whole.items():
            is_damaged = both or each == file
            each.write_bytes(_damaged(content, rng) if is_damaged else content)
        expected = [
            load for each in (file, previous_checkpoint(file)) if (load := _state_of(each)) is not None
        ]
        n_damaged = sum(each.read_bytes() != content for each, content in whole.items())
        state = load_latest_checkpoint(file, "cpu", said.append)
        is_right = (state and state["step"]) == (expected[0] if expected else None)
        told = len(said) == min(n_damaged, 2) or bool(expected and expected[0] == 2)
        tally.count(*([] if is_right and told else [f"{state and state['step']} was read, {said} told"]))
    return tally


def _state_of(file):
    with suppress(CorruptedCheckpointError):
        return load_checkpoint(file)["step"]
    return None


def mutated_ledgers(folder, rng, n):
    """Damage a ledger: it is read whole, or what was lost is said and a search goes on from what is left."""
    tally, results = Tally("mutated ledgers"), folder / "ledgers"
    sound = write_sweep(results, "sound")
    spec_file = folder / "ledger.yaml"
    spec_file.write_text((ROOT / "search_spaces" / "gan.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    expected = load("sound", results)
    for number in range(n):
        name = f"broken{number}"
        shutil.copytree(sound, results / name)
        file = results / name / rng.choice(["ledger.db", "ledger.db", "ledger.copy.db"])
        before = file.read_bytes()
        file.write_bytes(_damaged(before, rng))
        tally.count(*_what_is_wrong_with(results, name, expected))
        shutil.rmtree(results / name)
    return tally


def _what_is_wrong_with(results, name, expected):
    """Read a damaged ledger, mend it, and read it again; return what is not as it should be."""
    try:
        with warnings.catch_warnings(record=True, action="always") as said:
            record = read_ledger(name, results)
            reports = read_reports(record.folder)
            list_sweeps(results)
        is_told = any(issubclass(each.category, DamagedLedgerWarning) for each in said)
        same = [row["trial_id"] for row in record.trials] == expected.trials["trial_id"].tolist()
        if not is_told and not (same and len(reports) == len(expected.history)):
            return [f"{name}: something is lost and nothing said"]
        ledger = Ledger(record.folder, record.facts["spec"])
        ledger.close(Status.COMPLETED)
        with warnings.catch_warnings(action="error"):
            mended = read_ledger(name, results)
        if [row["trial_id"] for row in mended.trials] != [row["trial_id"] for row in record.trials]:
            return [f"{name}: it was mended to something else"]
        spec = SweepSpec.model_validate(mended.facts["spec"] | {"trials": 20})
        search = Search(spec, name, record.folder, past=Past.read(mended))
        search.suggest("next")
    except SweepError as error:
        return [f"{name}: lost as a whole: {error}"]
    except Exception as error:  # noqa: BLE001 - what is looked for
        return [f"{name}: {type(error).__name__}: {error}"]
    return []


KINDS = [
    *("ledger.db", "ledger.db-wal", "ledger.copy.db", "study.db", "checkpoints/*.checkpoint"),
    *("checkpoints/*.previous", "weights/*.safetensors", "samples/*/*.png", "report.html", "running.lock"),
    "../mlflow.db",
]


def truncations(place: Workplace, rng, kinds=KINDS):
    """Cut a file of each kind of a sweep whose process was killed, and go on with it."""
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
        tally.count(*(f"{kind}: {problem}" for problem in _gone_on(place, results)))
    return tally


def _gone_on(place, results):
    done = gan_sweep("resume", "cut", "--quiet", cwd=results.parent)
    if done.returncode or "Traceback" in done.stderr:
        return [f"resume ended with {done.returncode}: {done.stderr[-300:]}"]
    for command in (["list"], ["rank", "cut"], ["report", "cut"]):
        shown = gan_sweep(*command, cwd=results.parent)
        if shown.returncode or "Traceback" in shown.stderr:
            return [f"{' '.join(command)} ended with {shown.returncode}: {shown.stderr[-300:]}"]
    trials = load("cut", results).trials
    return [] if len(trials) == 3 and set(trials["status"]) <= {"completed", "pruned"} else [f"{trials}"]
