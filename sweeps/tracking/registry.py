"""MLflow's model registry."""

from collections.abc import Mapping
from pathlib import Path
from uuid import uuid4

from sweeps.errors import SweepError
from sweeps.record.reading import read_facts
from sweeps.tracking.refusals import store_errors
from sweeps.tracking.runs import Runs, experiment_of
from sweeps.tracking.store import Store, open_store


def register(
    folder: Path, store: Store, trial_id: str, exported: Path, model: str, tags: Mapping[str, str]
) -> None:
    """Register a trial's exported generator in MLflow's model registry, as the champion of its name.

    The files become artifacts of the trial's run and the source of the new version: safetensors, which MLflow
    downloads from ``models:/MODEL@champion``.

    Args:
        folder: The sweep's folder.
        store: The store with the sweep's runs.
        trial_id: The trial.
        exported: The folder that is registered.
        model: The registered model's name; it is created if necessary.
        tags: The new version's tags.

    Raises:
        SweepError: MLflow has no run of the trial, or refuses the model.
    """
    from mlflow.exceptions import MlflowException

    with store_errors(store, f"take a model {model!r}"):
        facts, client = read_facts(folder), open_store(store, folder.parent)
        run = Runs(client, experiment_of(client, store, folder, facts), facts).trials.get(trial_id)
        if run is None:
            raise SweepError(
                f"--register {model}: MLflow at {store.public} has no run of {trial_id}; to upload it:"
                f" gan-sweep sync {folder.name}"
            )
        try:
            client.create_registered_model(model)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        path = f"generators/{uuid4().hex}"
        client.log_artifacts(run.run_id, str(exported), path)
        version = client.create_model_version(model, f"runs:/{run.run_id}/{path}", run.run_id, dict(tags))
        client.set_registered_model_alias(model, "champion", version.version)
