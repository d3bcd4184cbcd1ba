"""A sweep of which the best trial's generator is kept, as a run would have left it."""

import gan_core
from gan_core.architectures import architectures
from sweeps.ledger import Ledger, Trial, create_sweep_folder, weights_file
from sweeps.status import Status

SHAPE = (1, 28, 28)


def save(folder, trial_id, **params):
    """Write a generator that was not trained."""
    config = gan_core.TrialConfig(**{"noise_dim": 8} | params)
    weights = architectures.get(config.architecture).generator(config, SHAPE).state_dict()
    gan_core.save_generator(weights_file(folder, trial_id), config, SHAPE, weights)


def write_kept(results, memorisation=0.9, **params):
    """Write a sweep: the defaults and a better trial completed, one was stopped early; the best is kept."""
    folder = create_sweep_folder(results, "tiny", exact=True)
    ledger = Ledger(folder, {"name": "tiny", "dataset": "mnist-5k"})
    ledger.describe({"extractor": "sha256:0", "floors": {"fid": 7.0}})
    for number, fid in enumerate((90.0, 30.0, 20.0)):
        config = gan_core.TrialConfig(noise_dim=8, seed=number, **params).model_dump()
        trial_id = f"tiny-{number:04d}"
        ledger.start(Trial(trial_id, number, {}, config, number == 0))
        ledger.report(trial_id, 10, {"fid": fid}, fid)
        if number < 2:
            ledger.end(trial_id, Status.COMPLETED, final={"fid": fid, "memorisation": memorisation})
        else:
            ledger.end(trial_id, Status.PRUNED)
    ledger.close(Status.COMPLETED)
    save(folder, "tiny-0001", **params)
    return folder
