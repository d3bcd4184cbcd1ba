"""Loops run from yield to yield, apart from the settings and random numbers of their process."""

import random
from dataclasses import replace
from functools import partial, reduce

import numpy as np
import pytest
import torch
from torch import nn

from gan_core import LoopConfig, LoopError, Snapshot, TrainingDiverged
from gan_core.checkpoint import load_checkpoint, save_checkpoint
from gan_core.config import CHANGEABLE, TrialConfig
from gan_core.evaluation import Evaluator
from gan_core.loop_config import changeable
from gan_core.loops.declaration import config_class, loop_name, takes_labels
from gan_core.loops.run import LoopRun
from gan_core.metric_names import SCORE_NAMES
from tests.gan_core.small_loops import SMALL, Config, moments

CPU = torch.device("cpu")


def run_of(loop, data, state=None, step=0, **values):
    return LoopRun(loop, Config(**SMALL | values), data, CPU, state, step)


def zeros(n, rng):
    return torch.zeros(n, 1, 28, 28)


def yielding(*snapshots):
    """Return a loop that yields these."""

    def loop(config, data, device, state=None):
        yield from snapshots

    return loop


def advance_to_the_end(run):
    while run.step < SMALL["steps"]:
        run.advance()


def test_a_config_is_checked_and_names_what_may_change():
    with pytest.raises(ValueError, match="greater than 0"):
        Config(lr=0.0)
    with pytest.raises(ValueError, match="Extra inputs"):
        Config(lrr=0.1)
    assert changeable(Config) == ("lr",)
    assert set(CHANGEABLE) == {"lr", "lr_d", "beta1", "beta2", "penalty_weight", "batch_size", "d_steps"}
    assert issubclass(TrialConfig, LoopConfig)
    assert config_class(moments) is Config


def test_a_loop_runs_from_report_to_report(digits):
    run = run_of(moments, digits)
    assert [run.advance().step for _ in range(3)] == [2, 4, 5]
    run.finish()


def test_one_seed_gives_one_result_and_another_seed_another(digits):
    grids = []
    for seed in (1, 1, 2):
        run = run_of(moments, digits, seed=seed)
        run.advance()
        grids.append(run.grid())
    assert torch.equal(grids[0], grids[1])
    assert not torch.equal(grids[0], grids[2])


@pytest.mark.parametrize("reports_before", [1, 2])
def test_a_run_that_resumes_equals_an_unbroken_one(tmp_path, digits, reports_before):
    unbroken = run_of(moments, digits)
    for _ in range(reports_before):
        unbroken.advance()
    save_checkpoint(tmp_path / "state", {"state": unbroken.state()})
    state = load_checkpoint(tmp_path / "state")["state"]
    resumed = run_of(moments, digits, state, unbroken.step)
    for run in (unbroken, resumed):
        torch.rand(3)
        run.advance()
    assert torch.equal(resumed.grid(), unbroken.grid())
    assert resumed.metrics() == unbroken.metrics()


def drawing_loop(config, data, device):
    """Draw from every global random state; each image has the drawn value."""
    for step in (2, 4, 5):
        drawn = [torch.rand(1).item(), np.random.rand(), random.random()]  # noqa: S311
        yield Snapshot(step, zeros, metrics=dict(zip("abc", drawn, strict=True)))


def global_draws():
    return [torch.rand(1).item(), np.random.rand(), random.random()]  # noqa: S311


def test_the_loop_has_its_own_random_numbers(digits):
    torch.manual_seed(7)
    np.random.seed(7)
    random.seed(7)
    undisturbed = [global_draws() for _ in range(3)]
    torch.manual_seed(7)
    np.random.seed(7)
    random.seed(7)
    run, seen, metrics = run_of(drawing_loop, digits, seed=3), [], []
    for _ in range(3):
        run.advance()
        metrics.append([*run.metrics().values()])
        list(run.images(300, "evaluation"))
        seen.append(global_draws())
    assert seen == undisturbed
    torch.manual_seed(3)
    np.random.seed(3)
    random.seed(3)
    assert metrics == [global_draws() for _ in range(3)]


def modes():
    return {
        "grad": torch.is_grad_enabled(),
        "inference": torch.is_inference_mode_enabled(),
        "autocast": torch.is_autocast_enabled("cpu"),
        "dtype": torch.get_default_dtype(),
        "device": torch.get_default_device(),
        "threads": torch.get_num_threads(),
        "matmul": torch.backends.mkldnn.matmul.fp32_precision,
        "benchmark": torch.backends.cudnn.benchmark,
        "deterministic": torch.are_deterministic_algorithms_enabled(),
    }


def unruly_loop(kind, its_modes):
    """Return a loop that changes a setting, and yields before it changes it back."""
    blocks = {
        "no_grad": torch.no_grad,
        "inference_mode": torch.inference_mode,
        "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
        "device": lambda: torch.device("meta"),
    }

    def loop(config, data, device):
        with blocks[kind]():
            for step in (2, 4, 5):
                its_modes.append(modes())
                yield Snapshot(step, zeros)

    return loop


@pytest.mark.parametrize("kind", ["no_grad", "inference_mode", "autocast", "device"])
def test_a_yield_inside_a_block_does_not_leave_it_on(digits, kind):
    ours, its_modes = modes(), []
    run = run_of(unruly_loop(kind, its_modes), digits)
    for _ in range(3):
        run.advance()
        assert modes() == ours
    assert its_modes[0] != ours
    assert its_modes == [its_modes[0]] * 3
    run.finish()
    assert modes() == ours


@pytest.mark.parametrize("ends", ["finished", "closed", "failed"])
def test_settings_that_a_loop_leaves_behind_are_restored(digits, ends):
    def loop(config, data, device):
        torch.set_grad_enabled(False)
        torch.set_default_dtype(torch.float64)
        torch.set_default_device("meta")
        torch.set_num_threads(3)
        torch.backends.cudnn.benchmark = True
        torch.set_float32_matmul_precision("medium")
        torch.use_deterministic_algorithms(True)
        for step in (2, 4, 5):
            if ends == "failed" and step == 4:
                raise ZeroDivisionError
            yield Snapshot(step, zeros)
            assert torch.get_default_dtype() == torch.float64
            assert torch.empty(1).is_meta
            assert not torch.is_grad_enabled()

    ours = modes()
    run = run_of(loop, digits)
    run.advance()
    assert modes() == ours
    assert [each.device.type for each in run.images(128, "evaluation")] == ["cpu"]
    if ends == "finished":
        run.advance()
        run.advance()
        run.finish()
    elif ends == "failed":
        with pytest.raises(ZeroDivisionError):
            run.advance()
    run.close()
    assert modes() == ours


def open_autocasts():
    opened = torch.autocast_increment_nesting() - 1
    torch.autocast_decrement_nesting()
    return opened


FLAGS = {
    "torch.set_grad_enabled": (torch.is_grad_enabled, lambda: torch.set_grad_enabled(False)),
    "torch.set_default_dtype": (torch.get_default_dtype, lambda: torch.set_default_dtype(torch.bfloat16)),
    "torch.set_default_device": (torch.get_default_device, lambda: torch.set_default_device("meta")),
    "torch.set_num_threads": (torch.get_num_threads, lambda: torch.set_num_threads(3)),
    "torch.use_deterministic_algorithms": (
        torch.is_deterministic_algorithms_warn_only_enabled,
        lambda: torch.use_deterministic_algorithms(True, warn_only=True),
    ),
    "torch.set_float32_matmul_precision": (
        torch.get_float32_matmul_precision,
        lambda: torch.set_float32_matmul_precision("medium"),
    ),
    "torch.autograd.set_detect_anomaly": (
        torch.is_anomaly_enabled,
        lambda: torch.autograd.set_detect_anomaly(True),
    ),
    "torch.set_autocast_enabled": (
        lambda: torch.is_autocast_enabled("cuda"),
        lambda: torch.set_autocast_enabled("cuda", True),
    ),
    "torch.set_autocast_dtype": (
        lambda: torch.get_autocast_dtype("cpu"),
        lambda: torch.set_autocast_dtype("cpu", torch.float16),
    ),
    "torch.set_autocast_cache_enabled": (
        torch.is_autocast_cache_enabled,
        lambda: torch.set_autocast_cache_enabled(False),
    ),
    "torch.autocast_increment_nesting": (open_autocasts, torch.autocast_increment_nesting),
    "torch.set_flush_denormal": (
        lambda: (torch.full((1,), 1e-310, dtype=torch.float64, device="cpu") * 1.0).tolist(),
        lambda: torch.set_flush_denormal(True),
    ),
    "torch.set_warn_always": (torch.is_warn_always_enabled, lambda: torch.set_warn_always(True)),
    "torch.sparse.check_sparse_tensor_invariants": (
        torch.sparse.check_sparse_tensor_invariants.is_enabled,
        torch.sparse.check_sparse_tensor_invariants.enable,
    ),
    **{
        f"torch.backends.cuda.{name}": (
            getattr(torch.backends.cuda, f"{name}_sdp_enabled"),
            partial(getattr(torch.backends.cuda, f"enable_{name}_sdp"), False),
        )
        for name in ("flash", "mem_efficient", "math", "cudnn")
    },
    "torch.backends.cuda.allow_fp16_bf16_reduction_math_sdp": (
        torch.backends.cuda.fp16_bf16_reduction_math_sdp_allowed,
        lambda: torch.backends.cuda.allow_fp16_bf16_reduction_math_sdp(True),
    ),
    "torch.backends.cuda.preferred_linalg_library": (
        torch.backends.cuda.preferred_linalg_library,
        lambda: torch.backends.cuda.preferred_linalg_library("cusolver"),
    ),
    "torch.backends.mha.set_fastpath_enabled": (
        torch.backends.mha.get_fastpath_enabled,
        lambda: torch.backends.mha.set_fastpath_enabled(False),
    ),
}
ATTRIBUTES = {
    "backends.cudnn.enabled": False,
    "backends.cudnn.benchmark": True,
    "backends.cudnn.deterministic": True,
    "backends.cudnn.allow_tf32": False,
    "backends.cuda.matmul.allow_tf32": True,
    "backends.cuda.matmul.allow_fp16_accumulation": True,
    "backends.cuda.matmul.allow_fp16_reduced_precision_reduction": False,
    "backends.cuda.matmul.allow_bf16_reduced_precision_reduction": False,
    "backends.mkldnn.enabled": False,
    "backends.mkldnn.deterministic": True,
    "backends.miopen.immediate": True,
    "backends.quantized.engine": "onednn",
    "utils.deterministic.fill_uninitialized_memory": False,
}


def of_attribute(name, value):
    """Return what reads an attribute of torch, and what changes it to another value."""
    path, _, last = name.rpartition(".")
    owner = reduce(getattr, path.split("."), torch)
    return lambda: getattr(owner, last), lambda: setattr(owner, last, value)


EACH_FLAG = FLAGS | {f"torch.{name}": of_attribute(name, value) for name, value in ATTRIBUTES.items()}


@pytest.mark.parametrize("name", EACH_FLAG)
def test_each_flag_is_the_loops_own_until_the_loop_has_ended(digits, name):
    read, change = EACH_FLAG[name]
    its = []

    def loop(config, data, device):
        change()
        for step in (2, 4, 5):
            its.append(read())
            yield Snapshot(step, zeros)

    ours = read()
    run = run_of(loop, digits)
    for _ in range(2):
        run.advance()
        assert read() == ours
    run.close()
    assert read() == ours
    assert its[0] != ours
    assert its == [its[0]] * 2


def test_a_newer_precision_setting_of_a_loop_is_undone(digits):
    def loop(config, data, device):
        torch.backends.mkldnn.matmul.fp32_precision = "bf16"
        yield Snapshot(2, zeros)
        assert torch.backends.mkldnn.matmul.fp32_precision == "bf16"
        yield Snapshot(4, zeros)

    run, ours = run_of(loop, digits), torch.backends.mkldnn.matmul.fp32_precision
    for _ in range(2):
        run.advance()
        assert torch.backends.mkldnn.matmul.fp32_precision == ours
        torch.get_float32_matmul_precision()
    run.close()


def test_closing_runs_the_finally_of_the_loop(digits):
    ended = []

    def loop(config, data, device):
        try:
            yield Snapshot(2, zeros)
        finally:
            ended.append(torch.is_grad_enabled())

    run = run_of(loop, digits)
    run.advance()
    run.close()
    assert ended == [True]


def test_samples_are_drawn_in_pieces_from_one_random_generator(digits):
    calls = []

    def sample(n, rng):
        assert rng.device == CPU
        assert not torch.is_grad_enabled()
        assert not torch.is_inference_mode_enabled()
        calls.append((n, torch.rand(1, generator=rng).item(), torch.rand(1).item()))
        return torch.zeros(n, 1, 28, 28, dtype=torch.uint8)

    run = run_of(yielding(Snapshot(2, sample), Snapshot(4, sample)), digits)
    for _ in range(2):
        run.advance()
        with torch.inference_mode():
            pieces = [*run.images(600, "evaluation")]
        assert [len(piece) for piece in pieces] == [250, 250, 100]
        assert all((piece == -1).all() for piece in pieces)
    assert calls[:3] == calls[3:]
    assert len({number for _, *numbers in calls[:3] for number in numbers}) == 6


def test_classes_are_those_of_the_training_images_and_one_a_row(digits):
    asked = []

    def sample(n, rng, labels):
        asked.append(labels)
        return torch.zeros(n, 1, 28, 28)

    few = replace(digits, train_labels=torch.where(digits.train_labels < 5, 1, 2))
    run = run_of(yielding(Snapshot(2, sample)), few)
    run.advance()
    list(run.images(500, "evaluation"))
    run.grid()
    drawn, rows = torch.cat(asked[:2]), asked[2].view(8, 8)
    assert set(drawn.tolist()) == {1, 2}
    assert 150 < (drawn == 1).sum() < 350
    assert (rows == rows[:, :1]).all()
    assert rows[:, 0].tolist() == [0, 1, 2, 0, 1, 2, 0, 1]
    unlabelled = replace(digits, train_labels=None, held_out_labels=None)
    run = run_of(yielding(Snapshot(2, sample)), unlabelled)
    run.advance()
    with pytest.raises(LoopError, match="the dataset mnist-5k has no classes"):
        run.grid()


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (
            torch.zeros(64, 28, 28),
            r"must return images of shape \(64, 1, 28, 28\), got \(64, 28, 28\)",
        ),
        ("images", r"sample must return a torch.Tensor of shape .*, got a str"),
        (torch.full((64, 1, 28, 28), 200.0), r"in \[-1, 1\], got \[200, 200\]: return images / 127.5 - 1"),
        (torch.zeros(64, 1, 28, 28, dtype=torch.int64), "floats in .* or uint8, got torch.int64"),
    ],
    ids=["shape", "type", "range", "dtype"],
)
def test_samples_of_the_wrong_kind_are_refused(digits, images, message):
    run = run_of(yielding(Snapshot(2, lambda n, rng: images)), digits)
    run.advance()
    with pytest.raises(LoopError, match=message):
        run.grid()


def test_a_sample_that_is_not_finite_is_a_divergence(digits):
    run = run_of(yielding(Snapshot(2, lambda n, rng: zeros(n, rng) / 0)), digits)
    run.advance()
    with pytest.raises(TrainingDiverged, match="samples is nan at step 2"):
        run.grid()


@pytest.mark.parametrize(
    ("snapshots", "message"),
    [
        (
            [Snapshot(3, zeros)],
            r"at step 3; the next report is due at step 2: yield if config.reports_at",
        ),
        ([Snapshot(2, zeros), Snapshot(5, zeros)], "yielded at step 5; the next report is due at step 4"),
        ([Snapshot(2, zeros)], "ended after step 2, before config.steps, 5"),
        ([None], "must yield a gan_core.Snapshot, got a NoneType"),
        ([Snapshot(2, zeros, metrics={"fid": 1.0})], "gan_core computes fid itself: rename that metric"),
        ([Snapshot(2, zeros, metrics={"status": 1.0})], "status is a column of a sweep's tables: rename"),
        (
            [Snapshot(2, zeros, metrics={"D(x)": 1.0})],
            r"rename the metric 'D\(x\)': MLflow allows letters",
        ),
        ([Snapshot(2, zeros, metrics=[1.0])], "metrics must be a dict, got a list"),
        ([Snapshot(2.5, zeros)], "step of a snapshot must be a whole number, got a float"),
        (
            [Snapshot(2, torch.zeros(1))],
            r"sample must be a function \(n, rng\), got a Tensor",
        ),
        ([Snapshot(2, zeros, generator={})], "generator must be a torch.nn.Module, got a dict"),
        ([Snapshot(2, zeros, state={})], "state must be a function that returns the state, got a dict"),
        (
            [Snapshot(2, zeros, generator=nn.Linear(1, 1)), Snapshot(4, zeros)],
            "yields a generator in some snapshots only: yield it in all of them, or in none",
        ),
    ],
    ids=[
        *("early", "late", "ended", "nothing", "score", "column", "metric-name", "metrics", "fraction"),
        *("sample", "generator", "state", "some-generators"),
    ],
)
def test_a_loop_that_breaks_the_protocol_is_refused_in_a_sentence(digits, snapshots, message):
    run = run_of(yielding(*snapshots), digits)
    with pytest.raises(LoopError, match=message) as error:
        advance_to_the_end(run)
    assert str(error.value).startswith(f"{__name__}:yielding.<locals>.loop")


def test_a_loop_may_not_yield_after_its_last_step(digits):
    run = run_of(yielding(*(Snapshot(step, zeros) for step in (2, 4, 5, 5))), digits)
    for _ in range(3):
        run.advance()
    with pytest.raises(LoopError, match="yielded again after its last step, 5"):
        run.finish()


def test_a_function_without_yield_and_one_that_cannot_take_its_state_are_refused(digits):
    with pytest.raises(LoopError, match=r":run_of is not a generator function: add 'yield gan_core.Snapshot"):
        run_of(run_of, digits)

    def forgetful(config, data, device):
        yield Snapshot(2, zeros, state=dict)

    with pytest.raises(LoopError, match="add the parameter 'state=None'"):
        run_of(forgetful, digits).advance()
    with pytest.raises(LoopError, match="cannot resume: add the parameter 'state=None'"):
        run_of(forgetful, digits, state={}, step=2)
    with pytest.raises(LoopError, match=r"first parameter .* must be annotated with a subclass"):
        config_class(forgetful)


def test_a_state_holds_what_loads_without_running_code(tmp_path, digits):
    optimizer = torch.optim.Adam(nn.Linear(2, 2).parameters(), amsgrad=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 5)
    kept = {
        "network": nn.BatchNorm1d(2).state_dict(),
        "optimizer": optimizer.state_dict(),
        "schedule": schedule.state_dict(),
        "numbers": (1, 2.5, True, None, "word", [torch.zeros(1), {3: "three"}]),
        "batches": digits.batches(4, 0).state_dict(),
        "kind": (torch.float32, torch.Size([2]), torch.device("cpu")),
    }
    run = run_of(yielding(Snapshot(2, zeros, state=lambda: kept)), digits)
    run.advance()
    save_checkpoint(tmp_path / "state", {"state": run.state()})
    assert load_checkpoint(tmp_path / "state")["state"]["numbers"] == kept["numbers"]


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (
            {"a": [1, {"rate": np.float64(1)}]},
            r"\(\)\['a'\]\[1\]\['rate'\] is a numpy.float64; a",
        ),
        ({"net": nn.Linear(1, 1)}, r"state\(\)\['net'\] is a torch.nn.modules.linear.Linear"),
        ({(1, 2): 3}, r"state\(\) has the key \(1, 2\), a tuple"),
    ],
    ids=["numpy", "module", "key"],
)
def test_what_a_checkpoint_cannot_hold_is_named_by_its_path(digits, state, message):
    run = run_of(yielding(Snapshot(2, zeros, state=lambda: state)), digits)
    run.advance()
    with pytest.raises(LoopError, match=message):
        run.state()


def test_weights_are_loaded_for_a_block_and_put_back(digits):
    run = run_of(moments, digits)
    run.advance()
    first, grid = run.weights(), run.grid()
    run.advance()
    own = run.weights()
    with run.with_weights(first):
        assert torch.equal(run.grid(), grid)
    assert all(torch.equal(own[name], value) for name, value in run.weights().items())
    assert not torch.equal(run.grid(), grid)


def test_the_scores_are_the_evaluators(digits, evaluator):
    scores = Evaluator.final_score(evaluator, [torch.rand(128, 1, 28, 28) * 2 - 1])
    assert scores.keys() <= SCORE_NAMES


def test_batches_are_shuffled_epochs_with_their_labels(digits):
    few = replace(digits, train=digits.train[:10], train_labels=digits.train_labels[:10])
    batches = few.batches(4, seed=1)
    drawn = [next(batches) for _ in range(5)]
    images, labels = (torch.cat(parts) for parts in zip(*drawn, strict=True))
    assert images.shape == (20, 1, 28, 28)
    assert images.min() == -1
    assert sorted(labels[:10].tolist()) == sorted(labels[10:].tolist()) == sorted(few.train_labels.tolist())
    assert torch.equal(next(few.batches(4, seed=1)).images, drawn[0].images)
    assert not torch.equal(next(few.batches(4, seed=2)).images, drawn[0].images)
    assert next(replace(few, train_labels=None, held_out_labels=None).batches(4, 1)).labels is None
    with pytest.raises(ValueError, match="batch_size must be at least 1, got 0"):
        few.batches(0, 1)


class CallableLoop:
    def __call__(self, config: Config, data, device):
        yield Snapshot(2, zeros)


def test_the_class_of_the_hyperparameters_is_that_of_the_first_parameter():
    def loop(config: "Config", data: "NotImported", device):  # noqa: F821
        yield Snapshot(2, zeros)

    assert config_class(loop) is Config
    assert config_class(partial(moments, state=None)) is Config
    assert config_class(CallableLoop()) is Config
    assert loop_name(CallableLoop()) == f"{__name__}:CallableLoop"


def test_a_third_parameter_with_a_default_is_not_for_classes(digits):
    run = run_of(yielding(Snapshot(2, lambda n, rng, step=2: torch.full((n, 1, 28, 28), step / 2))), digits)
    run.advance()
    assert (run.grid() == 255).all()
    assert takes_labels(lambda n, rng, labels=None: None)


def test_a_loop_is_named_by_its_module_and_name():
    assert loop_name(moments) == "tests.gan_core.small_loops:moments"


def test_weights_that_do_not_fit_the_last_generator_are_refused_in_a_sentence(digits):
    growing = [Snapshot(step, zeros, generator=nn.Linear(1, step)) for step in (2, 4, 5)]
    run = run_of(yielding(*growing), digits)
    run.advance()
    first = run.weights()
    run.advance()
    message = (
        r"do not fit the generator of step 4 \(weight: \(2, 1\) and \(4, 1\)\): yield a generator of one"
    )
    with pytest.raises(LoopError, match=message), run.with_weights(first):
        pass


def test_a_generator_with_more_than_tensors_is_refused_in_a_sentence(digits):
    class Odd(nn.Module):
        def get_extra_state(self):
            return {"width": 3}

        def set_extra_state(self, state):
            pass

    run = run_of(yielding(Snapshot(2, zeros, generator=Odd())), digits)
    run.advance()
    with pytest.raises(
        LoopError, match="'_extra_state' in the state_dict of its generator is not a tensor: keep it in a"
    ):
        run.weights()


def test_weights_are_loaded_while_the_loop_waits_in_inference_mode(digits):
    def loop(config, data, device):
        with torch.inference_mode():
            generator = nn.Linear(1, 1)
            for step in (2, 4, 5):
                generator.bias.fill_(step)
                yield Snapshot(step, zeros, generator=generator)

    run = run_of(loop, digits)
    run.advance()
    first = run.weights()
    run.advance()
    with run.with_weights(first):
        assert run.weights()["bias"] == 2
    assert run.weights()["bias"] == 4
    run.close()


def test_what_lightning_fits_is_refused_with_what_to_write(digits):
    lightning = type("LightningModule", (nn.Module,), {"__module__": "lightning.pytorch.core.module"})
    own = type("Own", (lightning,), {"__module__": "mine"})
    with pytest.raises(
        LoopError, match="mine:Own is a LightningModule: Lightning's fit trains to the end at"
    ):
        run_of(own, digits)
