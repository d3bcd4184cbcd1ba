"""How W&B's sweep files are read, and what to type instead of what cannot be honoured here."""

from collections.abc import Iterator, Mapping
from math import exp
from typing import Any

Path_ = tuple[str | int, ...]

RENAMED = {"run_cap": "trials"}
"""W&B's keys that are another name for one of ours."""

REFUSED = {
    "program": "gan-sweep trains its own GANs: remove it, and name networks of your own with"
    " parameters: {architecture: MODULE:NAME}",
    "command": "gan-sweep starts no program of yours: remove it, and fix parameters with"
    " parameters: {NAME: VALUE}",
    "controller": "gan-sweep is its own controller: remove it",
    "entity": "there are no accounts: remove it",
    "project": "remove it; name is what a sweep and its folder are called",
    "job": "gan-sweep starts no job of yours: remove it",
    "image_uri": "gan-sweep starts no image of yours: remove it",
}

OUR_PARAMETERS = {
    "learning_rate": "lr",
    "lr_g": "lr",
    "g_lr": "lr",
    "d_lr": "lr_d",
    "epochs": "steps, counted in updates of the generator",
    "n_epochs": "steps, counted in updates of the generator",
    "max_steps": "steps",
    "latent_dim": "noise_dim",
    "latent_size": "noise_dim",
    "z_dim": "noise_dim",
    "nz": "noise_dim",
    "b1": "beta1",
    "b2": "beta2",
    "bs": "batch_size",
    "n_critic": "d_steps",
    "lambda_gp": "penalty_weight",
    "gp_weight": "penalty_weight",
    "negative_slope": "leaky_slope",
    "ema": "ema_decay",
    "model": "architecture",
}
"""What others call a parameter of ours."""

NO_PARAMETER = {
    "optimizer": "Adam is the only optimiser: remove it",
    "optim": "Adam is the only optimiser: remove it",
    "dropout": "no network here has dropout: remove it, or name your own with architecture: MODULE:NAME",
    "weight_decay": "Adam is used without weight decay: remove it",
}
"""Parameters of others that there is nothing like here, and why."""

EXPONENTS = ("log_uniform", "q_log_uniform", "inv_log_uniform")
REPLACEMENTS = {
    "inv_log_uniform_values": "log_uniform_values, with 1 / max as min and 1 / min as max",
    "q_normal": "normal",
    "log_normal": "log_uniform_values with the range that you mean",
    "q_log_normal": "q_log_uniform_values with the range that you mean",
    "beta": "uniform with the range that you mean",
    "q_beta": "q_uniform with the range that you mean",
}


def refusal_of_distribution(parameter: Mapping[str, Any]) -> str | None:
    """Return why a parameter's distribution cannot be honoured, and what to type instead."""
    distribution = parameter.get("distribution")
    if distribution in EXPONENTS:
        return f"the bounds of {distribution} are exponents: type {_with_values(parameter)}"
    if isinstance(distribution, str) and distribution in REPLACEMENTS:
        return f"the distribution {distribution} is none here: type {REPLACEMENTS[distribution]}"
    return None


def _with_values(parameter: Mapping[str, Any]) -> str:
    name = "q_log_uniform_values" if parameter["distribution"] == "q_log_uniform" else "log_uniform_values"
    ends = [parameter.get(key) for key in ("min", "max")]
    try:
        if parameter["distribution"] == "inv_log_uniform":
            ends = [-end for end in reversed(ends)]
        low, high = (exp(end) for end in ends)  # type: ignore[arg-type]
    except (TypeError, OverflowError):
        return f"distribution: {name} with values as min and max"
    return f"distribution: {name}, min: {low:.4g}, max: {high:.4g}"


def flattened(parameters: Mapping[str, Any], above: Path_) -> Iterator[tuple[str, Any, Path_]]:
    """Yield each parameter with its name and path, those within nested ``parameters`` too.

    A trial's parameters have no groups: W&B's nesting is read as a way to write them in order.
    """
    for name, parameter in parameters.items():
        path = (*above, name)
        if is_group(parameter):
            yield from flattened(parameter["parameters"], (*path, "parameters"))
        else:
            yield name, parameter, path


def is_group(parameter: object) -> bool:
    """Return whether what stands for a parameter is a group of them, and nothing else."""
    return isinstance(parameter, Mapping) and isinstance(parameter.get("parameters"), Mapping)


def beside_groups(parameters: Mapping[str, Any], above: Path_) -> Iterator[Path_]:
    """Yield the path of each key that stands beside the ``parameters`` of a group."""
    for name, parameter in parameters.items():
        if is_group(parameter):
            path = (*above, name)
            yield from ((*path, key) for key in parameter if key != "parameters")
            yield from beside_groups(parameter["parameters"], (*path, "parameters"))
