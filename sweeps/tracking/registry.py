"""MLflow's model registry."""

from collections.abc import Mapping
from pathlib import Path
from uuid import uuid4

from sweeps.errors import SweepError
from sweeps.tracking.mirror import Mirror
from sweeps.tracking.refusals import store_errors
from sweeps.tracking.store import Store


def register(
    folder: Path, store: Store, trial_id: str, exported: Path, model: str, tags: Mapping[str, str]
) -> None:
    """Register a trial's exported generator in MLflow's model registry, as the champion of its name.

    The files become artifacts of the trial's run, and the new version's source: it is exchanged as
    safetensors, and ``models:/MODEL@champion`` is where MLflow has it downloaded from.

    Args:
        folder: The sweep's folder.
        store: Where its runs are.
        trial_id: The trial.
        exported: The folder that is registered.
        model: The registered model's name; it is created where there is none.
        tags: Of the new version.

    Raises:
        SweepError: MLflow does not know the trial, or takes no such model.
    """
    from mlflow.exceptions import MlflowException

    with store_errors(store, f"take a model {model!r}"):
        mirror = Mirror(folder, store, is_running=False)
        run_id, client = mirror.run_id(trial_id), mirror.client
        if run_id is None:
            raise SweepError(
                f"--register {model}: MLflow at {store.public} has no run of {trial_id}; gan-sweep sync"
                f" {folder.name} sends it"
            )
        try:
            client.create_registered_model(model)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        path = f"generators/{uuid4().hex}"
        client.log_artifacts(run_id, str(exported), path)
        version = client.create_model_version(model, f"runs:/{run_id}/{path}", run_id, dict(tags))
        client.set_registered_model_alias(model, "champion", version.version)
