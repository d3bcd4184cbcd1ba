from dataclasses import replace
from itertools import islice

import pytest
import torch
from torch import nn

from gan_core import CheckpointMismatchError, Trainer, TrainingDiverged, TrialConfig, train
from gan_core.architectures import Architecture
from gan_core.checkpoint import load_checkpoint, save_checkpoint
from gan_core.noise import fixed_noise
from gan_core.step_metrics import STEP_METRICS

QUICK = {"steps": 5, "report_every": 2, "batch_size": 16, "eval_samples": 128, "final_samples": 150}
SCORES = {"fid", "kid", "precision", "recall", "coverage", "modes", "class_kl"}


def _exact(report):
    metrics = {name: value for name, value in report.metrics.items() if name != "images_per_s"}
    return report.step, metrics, report.samples.tolist(), report.flags, report.best_step, report.final


def reports_of(*arguments, **options):
    return [_exact(report) for report in train(*arguments, **options)]


def test_one_seed_gives_one_result_and_another_seed_another(digits, evaluator):
    first, again, other = (
        reports_of(TrialConfig(**QUICK, seed=seed), digits, evaluator) for seed in (3, 3, 4)
    )
    assert first == again
    assert first != other


def test_reports_come_every_so_many_steps_and_after_the_last(digits, evaluator):
    reports = list(train(TrialConfig(**QUICK), digits, evaluator))
    assert [report.step for report in reports] == [2, 4, 5]
    assert reports[0].metrics.keys() == {*STEP_METRICS, "images_per_s"} | SCORES
    assert reports[0].samples.shape == (64, 1, 28, 28)
    assert reports[0].samples.dtype == torch.uint8


def test_the_last_report_has_the_final_score_of_the_best_ones_weights(digits, evaluator):
    config = TrialConfig(**QUICK | {"final_samples": 2000, "eval_samples": 2000, "lr": 5e-3})
    *earlier, last = train(config, digits, evaluator)
    assert [report.final for report in earlier] == [None, None]
    assert last.final.keys() == SCORES | {"memorisation", "copies"}
    fids = {report.step: report.metrics["fid"] for report in (*earlier, last)}
    assert last.best_step == min(fids, key=fids.get)
    closest = min(fids, key=lambda step: abs(fids[step] - last.final["fid"]))
    assert closest == last.best_step
    assert last.final["fid"] != fids[last.best_step]


def test_the_best_report_is_that_of_the_metric_that_is_named(digits, evaluator):
    goals = {"minimize": min, "maximize": max}
    for goal, best_of in goals.items():
        reports = [*train(TrialConfig(**QUICK), digits, evaluator, monitor="d_loss", goal=goal)]
        losses = {report.step: report.metrics["d_loss"] for report in reports}
        assert reports[-1].best_step == best_of(losses, key=losses.get)


def test_training_learns(digits, evaluator):
    config = TrialConfig(
        lr=1e-3, beta1=0.0, batch_size=32, steps=800, report_every=800, eval_samples=500, final_samples=128
    )
    (report,) = train(config, digits, evaluator)
    untrained = Trainer(config, digits.image_shape).generate(fixed_noise(config))
    assert report.metrics["fid"] < 0.6 * evaluator.score([untrained])["fid"]


def test_a_learning_rate_that_is_far_too_high_diverges(digits, evaluator):
    config = TrialConfig(loss="lsgan", lr=1e10, steps=20, report_every=20, batch_size=16)
    with pytest.raises(TrainingDiverged):
        list(train(config, digits, evaluator))


class DropoutPair(Architecture):
    """Draws from torch's global random state while it trains."""

    @staticmethod
    def generator(config, image_shape):
        return nn.Sequential(nn.Linear(config.noise_dim, 784), nn.Tanh(), nn.Unflatten(1, image_shape))

    @staticmethod
    def discriminator(config, image_shape):
        return nn.Sequential(nn.Flatten(), nn.Dropout(), nn.Linear(784, 1))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"architecture": "dcgan", "batch_size": 4, "ema_decay": 0.9},
        {"ema_decay": 0.9, "spectral_norm": True, "d_steps": 2, "penalty": "gradient-penalty"},
        {"architecture": f"{__name__}:DropoutPair", "hflip": True},
    ],
    ids=str,
)
def test_a_resumed_run_equals_an_unbroken_one_bit_for_bit(tmp_path, digits, evaluator, options):
    config = TrialConfig(**QUICK | options)
    unbroken = reports_of(config, digits, evaluator)
    for reports_before in (1, 2, 3):
        checkpoint = tmp_path / f"{reports_before}.checkpoint"
        reports = train(config, digits, evaluator, checkpoint=checkpoint, checkpoint_every_s=0)
        broken = islice(reports, reports_before)
        assert [_exact(report) for report in broken] == unbroken[:reports_before]
        torch.rand(3)
        resumed = reports_of(config, digits, evaluator, checkpoint=checkpoint)
        assert resumed == unbroken[reports_before - 1 :]


def test_half_of_the_training_images_are_mirrored(monkeypatch, digits, evaluator):
    seen, step = [], Trainer.step
    monkeypatch.setattr(
        Trainer, "step", lambda self, real, noise: seen.append(real) or step(self, real, noise)
    )
    plain, mirrored = (
        [*train(TrialConfig(**QUICK, hflip=hflip), digits, evaluator)] for hflip in (False, True)
    )
    assert plain[-1].metrics != mirrored[-1].metrics
    images = [torch.cat(seen[at : at + 5]) for at in (0, 5)]
    is_equal, is_flipped = (
        (images[1] == image).flatten(1).all(dim=1) for image in (images[0], images[0].flip(3))
    )
    assert (is_equal | is_flipped).all()
    assert 0.3 < float(is_flipped.float().mean()) < 0.7


def test_a_checkpoint_from_before_images_were_mirrored_resumes(tmp_path, digits, evaluator):
    checkpoint, config = tmp_path / "checkpoint", TrialConfig(**QUICK)
    unbroken = reports_of(config, digits, evaluator)
    next(train(config, digits, evaluator, checkpoint=checkpoint, checkpoint_every_s=0))
    state = load_checkpoint(checkpoint)
    del state["identity"]["hflip"], state["loop"]["flip_rng"]
    save_checkpoint(checkpoint, state)
    assert reports_of(config, digits, evaluator, checkpoint=checkpoint) == unbroken
    with pytest.raises(
        CheckpointMismatchError, match=r"differs in hflip \(checkpoint: False, this run: True\)"
    ):
        next(train(TrialConfig(**QUICK, hflip=True), digits, evaluator, checkpoint=checkpoint))


def test_a_checkpoint_is_written_every_so_many_seconds_and_with_the_last_report(tmp_path, digits, evaluator):
    checkpoint = tmp_path / "checkpoint"
    reports = train(TrialConfig(**QUICK), digits, evaluator, checkpoint=checkpoint, checkpoint_every_s=3600)
    assert [(report.step, checkpoint.exists()) for report in reports] == [(2, False), (4, False), (5, True)]
    (report,) = train(TrialConfig(**QUICK), digits, evaluator, checkpoint=checkpoint)
    assert report.step == 5


def test_a_checkpoint_of_other_images_is_refused(tmp_path, digits, evaluator):
    checkpoint = tmp_path / "checkpoint"
    list(train(TrialConfig(**QUICK), digits, evaluator, checkpoint=checkpoint))
    inverted = replace(digits, train=255 - digits.train)
    with pytest.raises(CheckpointMismatchError, match="differs in dataset"):
        next(train(TrialConfig(**QUICK), inverted, evaluator, checkpoint=checkpoint))


def test_a_checkpoint_needs_its_directory(tmp_path, digits, evaluator):
    with pytest.raises(NotADirectoryError, match=r"there is no directory .*nowhere$"):
        next(train(TrialConfig(**QUICK), digits, evaluator, checkpoint=tmp_path / "nowhere" / "checkpoint"))


def test_a_checkpoint_of_another_config_is_refused(tmp_path, digits, evaluator):
    checkpoint = tmp_path / "checkpoint"
    next(train(TrialConfig(**QUICK), digits, evaluator, checkpoint=checkpoint, checkpoint_every_s=0))
    other = TrialConfig(**QUICK, lr=0.5, loss="lsgan")
    with pytest.raises(
        CheckpointMismatchError, match=r"differs in loss \(checkpoint: 'bce', this run: .*\), lr \("
    ):
        next(train(other, digits, evaluator, checkpoint=checkpoint))


class MeanOverBatch(nn.Module):
    def forward(self, logits):
        return logits - 0.1 * logits.mean()


class DependentPair(Architecture):
    """A discriminator that needs a batch each of real and generated images."""

    @staticmethod
    def generator(config, image_shape):
        return nn.Sequential(nn.Linear(config.noise_dim, 784), nn.Tanh(), nn.Unflatten(1, image_shape))

    @staticmethod
    def discriminator(config, image_shape):
        return nn.Sequential(nn.Flatten(), nn.Linear(784, 1), MeanOverBatch())


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"ema_decay": 0.9}, "the generator's average ramps up and includes the batch statistics"),
        ({"precision": "bf16"}, "the discriminator's last layer stays in float32"),
        ({"penalty": "r1"}, "d_loss is reported without the penalty"),
        ({"architecture": f"{__name__}:DependentPair"}, "real and generated images have a batch each"),
        ({}, None),
        ({"architecture": f"{__name__}:DropoutPair", "spectral_norm": True}, None),
    ],
    ids=str,
)
def test_a_checkpoint_of_earlier_training_rules_is_refused_if_they_concern_it(
    tmp_path, digits, evaluator, options, rule
):
    """Version 1 wrote no version of the rules. Its average was torch's AveragedModel, for example."""
    checkpoint, config = tmp_path / "checkpoint", TrialConfig(**QUICK | {"precision": "fp32"} | options)
    first = next(train(config, digits, evaluator, checkpoint=checkpoint, checkpoint_every_s=0))
    state = load_checkpoint(checkpoint)
    assert state.pop("rules") > 1
    if config.ema_decay:
        average = {f"module.{name}": value for name, value in state["loop"]["trainer"]["average"].items()}
        state["loop"]["trainer"]["average"] = {"n_averaged": torch.tensor(2), **average}
    save_checkpoint(checkpoint, state)
    if rule is None:
        assert _exact(next(train(config, digits, evaluator, checkpoint=checkpoint))) == _exact(first)
        return
    for arguments in ({"checkpoint": checkpoint}, {"initial_state": state}):
        message = f"^an earlier version wrote the checkpoint and trained by other rules: now {rule}$"
        with pytest.raises(CheckpointMismatchError, match=message) as caught:
            next(train(config, digits, evaluator, **arguments))
        assert caught.value.names == ["rules"]


def test_a_checkpoint_without_an_average_identifies_itself_as_before(tmp_path, digits, evaluator):
    """Sweeps that were interrupted before an update resume after it."""
    checkpoint, config = tmp_path / "checkpoint", TrialConfig(**QUICK)
    next(train(config, digits, evaluator, checkpoint=checkpoint, checkpoint_every_s=0))
    identity = load_checkpoint(checkpoint)["identity"]
    others = {"precision", "dataset", "extractor", "best_by", "loop"}
    assert {name: value for name, value in identity.items() if name not in others} == config.model_dump(
        exclude={"precision", "cuda_graphs"}
    )
    assert others <= identity.keys()


def test_training_continues_a_different_trainings_state_with_new_parameters(tmp_path, digits, evaluator):
    checkpoint = tmp_path / "checkpoint"
    config, other = TrialConfig(**QUICK), TrialConfig(**QUICK, lr=0.01, beta1=0.0, d_steps=2, seed=7)
    unbroken = reports_of(config, digits, evaluator)
    next(train(config, digits, evaluator, checkpoint=checkpoint, checkpoint_every_s=0))
    start = load_checkpoint(checkpoint)
    same, taken_over = (
        [*train(each, digits, evaluator, initial_state=start, checkpoint=checkpoint)]
        for each in (config, other)
    )
    assert [_exact(report)[:4] for report in same] == [report[:4] for report in unbroken[1:]]
    assert [report.step for report in taken_over] == [4, 5]
    assert taken_over[0].metrics["d_loss"] != same[0].metrics["d_loss"]
    assert {report.best_step for report in (*same, *taken_over)} <= {4, 5}
    assert load_checkpoint(checkpoint)["identity"]["lr"] == other.lr
    again = train(config, digits, evaluator, initial_state=start)
    assert [_exact(report) for report in again] == [_exact(report) for report in same]
    with pytest.raises(ValueError, match="has already completed all 5 steps"):
        next(train(other, digits, evaluator, initial_state=load_checkpoint(checkpoint)))


def test_parameters_are_the_trainers_own_after_another_ones_state_is_loaded(digits):
    donor, other = TrialConfig(**QUICK), TrialConfig(**QUICK, lr=0.01, lr_d=0.02, beta1=0.0)
    trainer = Trainer(other, digits.image_shape)
    trainer.load_state_dict(Trainer(donor, digits.image_shape).state_dict())
    for network, lr in {"g": 0.01, "d": 0.02}.items():
        (group,) = trainer.state_dict()[f"{network}_optimizer"]["param_groups"]
        assert (group["lr"], group["betas"]) == (lr, (0.0, 0.999))


def test_the_state_of_other_networks_is_not_taken_over(tmp_path, digits, evaluator):
    checkpoint = tmp_path / "checkpoint"
    next(train(TrialConfig(**QUICK), digits, evaluator, checkpoint=checkpoint, checkpoint_every_s=0))
    other = TrialConfig(**QUICK, noise_dim=7, lr=0.01)
    with pytest.raises(
        CheckpointMismatchError, match=r"differs in noise_dim \(checkpoint: \d+, this run: \d+\)$"
    ):
        next(train(other, digits, evaluator, initial_state=load_checkpoint(checkpoint)))


def test_training_leaves_the_global_random_state_alone(digits, evaluator):
    before = torch.get_rng_state()
    next(train(TrialConfig(**QUICK, architecture=f"{__name__}:DropoutPair"), digits, evaluator))
    assert torch.equal(torch.get_rng_state(), before)


class CollapsedPair(DropoutPair):
    """A generator that makes one image and cannot learn."""

    @staticmethod
    def generator(config, image_shape):
        pair = DropoutPair.generator(config, image_shape)
        with torch.no_grad():
            pair[0].weight.zero_()
        return pair


def test_a_collapse_is_flagged_at_the_first_of_three_reports(digits, evaluator):
    config = TrialConfig(**QUICK | {"steps": 5, "report_every": 1, "lr": 1e-9, "lr_d": 1e-3})
    collapsed = config.model_copy(update={"architecture": f"{__name__}:CollapsedPair"})
    flags = [report.flags for report in train(collapsed, digits, evaluator)]
    assert [flag.get("collapse") for flag in flags] == [None, None, 1, 1, 1]


def test_a_discriminator_that_has_won_is_flagged(digits, evaluator):
    winning = TrialConfig(loss="minimax", lr=1e-9, lr_d=3e-3, **QUICK | {"steps": 90, "report_every": 15})
    *_, last = train(winning, digits, evaluator)
    assert last.flags["discriminator-won"] <= 60
    balanced = TrialConfig(lr=1e-3, **QUICK | {"steps": 60, "report_every": 15})
    *_, last = train(balanced, digits, evaluator)
    assert "discriminator-won" not in last.flags


def test_arguments_of_the_last_version_work_with_a_warning(digits, evaluator):
    config = TrialConfig(**QUICK)
    with pytest.warns(DeprecationWarning, match=r"train\(best_by=\) will be removed .* use monitor="):
        reports = train(config, digits, evaluator, best_by="recall", goal="maximize")
    assert next(reports).metrics.keys() >= SCORES
