"""Any training loop gets scores, checkpoints and a final score from ``gan_core.train``."""

from dataclasses import replace
from itertools import islice

import pytest
import torch

from gan_core import CheckpointMismatchError, LoopError, Snapshot, Trainer, TrialConfig, train
from gan_core.checkpoint import load_checkpoint, save_checkpoint
from gan_core.noise import NoiseStream, draw_noise, fixed_noise, rng_for
from tests.gan_core.small_loops import SMALL, Config, moments, network

CONFIG = Config(**SMALL)


def exact(report):
    metrics = {name: value for name, value in report.metrics.items() if name != "images_per_s"}
    return report.step, metrics, report.samples.tolist(), report.flags, report.best_step, report.final


def reports_of(*arguments, **options):
    return [exact(report) for report in train(*arguments, **options)]


def changed(**changes):
    """Return the loop ``moments`` with changed snapshots."""

    def loop(config: Config, data, device, state=None):
        for snapshot in moments(config, data, device, state):
            yield replace(snapshot, **changes)

    return loop


def test_a_loop_gets_scores_and_the_final_score_of_its_best_weights(digits, evaluator):
    *earlier, last = train(CONFIG, digits, evaluator, loop=moments)
    assert [report.step for report in (*earlier, last)] == [2, 4, 5]
    assert earlier[0].metrics.keys() > {"loss", "fid", "recall"}
    assert earlier[0].final is None
    assert last.final.keys() > {"fid", "memorisation"}
    assert last.weights.keys() == network(digits.image_shape).state_dict().keys()
    shorter = Config(**SMALL | {"steps": last.best_step})
    *_, best = train(shorter, digits, evaluator, loop=moments)
    assert best.final == last.final


def test_a_loop_that_takes_the_trainers_steps_equals_the_built_in_one_bit_for_bit(digits, evaluator):
    def own(config: TrialConfig, data, device, state=None):
        trainer = Trainer(config, data.image_shape, device)
        batches, noise_rng = data.batches(config.batch_size, config.seed), rng_for("noise", config.seed)
        for step in range(1, config.steps + 1):
            last = trainer.step(next(batches).images, draw_noise(config, config.batch_size, noise_rng))
            if step % config.report_every == 0 or step == config.steps:
                yield Snapshot(
                    step,
                    lambda n, rng: trainer.generate(draw_noise(config, n, rng)),
                    generator=trainer.sampling_generator,
                    metrics=last,
                    grid=lambda: trainer.generate(fixed_noise(config)),
                )

    config = TrialConfig(**SMALL, batch_size=16, ema_decay=0.9)
    built_in = reports_of(config, digits, evaluator)
    assert reports_of(config, digits, evaluator, loop=own) == built_in


def test_a_loop_that_resumes_equals_an_unbroken_one_bit_for_bit(tmp_path, digits, evaluator):
    unbroken = reports_of(CONFIG, digits, evaluator, loop=moments)
    for reports_before in (1, 2, 3):
        file = tmp_path / f"{reports_before}.checkpoint"
        reports = train(CONFIG, digits, evaluator, checkpoint=file, checkpoint_every_s=0, loop=moments)
        list(islice(reports, reports_before))
        reports.close()
        torch.rand(3)
        resumed = reports_of(CONFIG, digits, evaluator, checkpoint=file, loop=moments)
        assert resumed == unbroken[reports_before - 1 :]


def test_a_checkpoint_of_the_earlier_format_resumes(tmp_path, digits, evaluator):
    """Sweeps that were interrupted before an update resume after it."""
    config, file = TrialConfig(**SMALL, batch_size=16), tmp_path / "checkpoint"
    unbroken = reports_of(config, digits, evaluator)
    next(train(config, digits, evaluator, checkpoint=file, checkpoint_every_s=0))
    state = load_checkpoint(file)
    parts = state.pop("loop")
    del state["identity"]["loop"]
    random_state = parts["batches"].pop("randomness")
    save_checkpoint(file, state | parts | {"global_rng": [random_state["torch"]]})
    assert reports_of(config, digits, evaluator, checkpoint=file) == unbroken
    initial = load_checkpoint(file.with_name("checkpoint.previous"))
    continued = reports_of(config, digits, evaluator, initial_state=initial)
    assert [report[:4] for report in continued] == [report[:4] for report in unbroken[1:]]


def test_a_loop_continues_a_different_trainings_state_with_its_changeable_parameters(
    tmp_path, digits, evaluator
):
    file = tmp_path / "checkpoint"
    next(train(CONFIG, digits, evaluator, checkpoint=file, checkpoint_every_s=0, loop=moments))
    state, faster = load_checkpoint(file), Config(**SMALL, lr=0.1)
    same, taken_over = (
        [*train(config, digits, evaluator, initial_state=state, loop=moments)] for config in (CONFIG, faster)
    )
    assert [report.step for report in taken_over] == [4, 5]
    assert taken_over[0].metrics["loss"] != same[0].metrics["loss"]
    other = Config(**SMALL, batch_size=8)
    with pytest.raises(CheckpointMismatchError, match=r"differs in batch_size \(checkpoint: 16"):
        next(train(other, digits, evaluator, initial_state=state, loop=moments))


def test_a_loop_without_a_state_starts_over_unless_it_has_ended(tmp_path, digits, evaluator):
    file, loop = tmp_path / "checkpoint", changed(state=None)
    reports = train(CONFIG, digits, evaluator, checkpoint=file, checkpoint_every_s=0, loop=loop)
    next(reports)
    reports.close()
    assert not file.exists()
    whole = reports_of(CONFIG, digits, evaluator, checkpoint=file, loop=loop)
    assert [report[0] for report in whole] == [2, 4, 5]
    assert reports_of(CONFIG, digits, evaluator, checkpoint=file, loop=loop) == whole[-1:]


@pytest.mark.parametrize(("shift", "restarts"), [(1, False), (9, True)])
def test_a_loop_that_does_not_restore_its_samples_starts_over(tmp_path, digits, evaluator, shift, restarts):
    def repeating(config: Config, data, device, state=None):
        """Yield the restored step again, with samples that are a few grey levels off."""
        snapshots = moments(config, data, device, state)
        if state:
            grey = 20 + shift
            yield Snapshot(state["step"], lambda n, rng: torch.full((n, 1, 28, 28), grey, dtype=torch.uint8))
        for snapshot in snapshots:
            first = snapshot.step == 2
            grey = (lambda n, rng: torch.full((n, 1, 28, 28), 20, dtype=torch.uint8)) if first else None
            yield replace(snapshot, sample=grey or snapshot.sample)

    file, damage = tmp_path / "checkpoint", []
    reports = train(CONFIG, digits, evaluator, checkpoint=file, checkpoint_every_s=0, loop=repeating)
    next(reports)
    reports.close()
    resumed = train(CONFIG, digits, evaluator, checkpoint=file, loop=repeating, on_damage=damage.append)
    assert [report.step for report in resumed] == ([2, 2, 4, 5] if restarts else [2, 4, 5])
    message = (
        "the samples after resuming differ from the checkpoint's by up to 9 grey levels; training starts over"
    )
    assert damage == ([message] if restarts else [])


def test_without_a_generator_the_last_state_is_scored(digits, evaluator):
    *_, last = train(CONFIG, digits, evaluator, loop=changed(generator=None), monitor="loss")
    *_, kept = train(CONFIG, digits, evaluator, loop=moments, monitor="loss")
    assert last.best_step == kept.best_step < 5
    assert last.weights is None
    assert last.final != kept.final


def test_faults_of_a_loop_and_its_config_are_reported_in_a_sentence(tmp_path, digits, evaluator):
    with pytest.raises(LoopError, match="takes a Config, and config is a TrialConfig: pass a Config"):
        next(train(TrialConfig(**SMALL), digits, evaluator, loop=moments))
    with pytest.raises(LoopError, match=r":moments have no images_per_s: their metrics are loss"):
        next(train(CONFIG, digits, evaluator, loop=moments, monitor="images_per_s"))
    with pytest.raises(LoopError, match="the metric loss must be a number, got a list"):
        next(train(CONFIG, digits, evaluator, loop=changed(metrics={"loss": [1]})))
    with pytest.raises(LoopError, match="unknown sign 'won'; allowed: collapse, discriminator-won"):
        next(train(CONFIG, digits, evaluator, loop=changed(signs={"won": True})))
    file = tmp_path / "checkpoint"
    list(train(CONFIG, digits, evaluator, checkpoint=file, loop=moments))
    with pytest.raises(CheckpointMismatchError, match=r"differs in loop \(checkpoint: 'tests.gan_core.small"):
        next(train(CONFIG, digits, evaluator, checkpoint=file, loop=changed()))


def test_the_finally_of_a_loop_runs_when_its_training_is_closed_or_ends(digits, evaluator):
    ended = []

    def loop(config: Config, data, device):
        try:
            for snapshot in moments(config, data, device):
                yield replace(snapshot, state=None)
            ended.append("after the last yield")
        finally:
            ended.append("finally")

    reports = train(CONFIG, digits, evaluator, loop=loop)
    next(reports)
    reports.close()
    assert ended == ["finally"]
    list(train(CONFIG, digits, evaluator, loop=loop))
    assert ended == ["finally", "after the last yield", "finally"]


@pytest.mark.parametrize("noise", ["uniform", "normal"])
def test_noise_in_pieces_equals_noise_of_one_draw(noise):
    config = TrialConfig(noise=noise, noise_dim=7)
    stream = NoiseStream(config, rng_for("test"))
    pieces = torch.cat([stream.next(n) for n in (25, 1, 22)])
    assert torch.equal(pieces, draw_noise(config, 48, rng_for("test")))
