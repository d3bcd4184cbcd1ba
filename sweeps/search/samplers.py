"""Make the sampler of a search: one of Optuna's, or a user's own."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import Any

from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler

from gan_core.errors import in_one_line
from gan_core.imports import is_import_path
from sweeps.errors import SweepError
from sweeps.spec.domains import Scalar
from sweeps.spec.methods import sampler_factory, takes_seed
from sweeps.spec.model import SweepSpec


class SamplerError(SweepError):
    """The sampler raised an exception, or suggested a value outside of the search space."""


def sampler_for(spec: SweepSpec, number: int) -> BaseSampler:
    """Return the sampler for one trial, seeded by its number; ``grid`` samples its points in random order.

    Raises:
        SamplerError: The sampler cannot be made with the options of the file, or is not an Optuna sampler.
    """
    factory = sampler_factory(spec.method)
    seed = int.from_bytes(sha256(f"{spec.seed}/{number}/sampler".encode()).digest()[:4], "big")
    options = _own_options(spec) | spec.method_options | ({"seed": seed} if takes_seed(factory) else {})
    with naming_the_sampler(spec.method):
        sampler = factory(**options)
    if not isinstance(sampler, BaseSampler):
        raise SamplerError(
            f"method {spec.method} returned {type(sampler).__name__}, which is not an Optuna sampler: return"
            " an instance of a subclass of optuna.samplers.BaseSampler"
        )
    return sampler


def keeps_state(spec: SweepSpec) -> bool:
    """Return whether a sampler may write to the study when a trial begins or ends."""
    return spec.method in {"cmaes", "nsga2"} or is_import_path(spec.method)


def check_suggestion(spec: SweepSpec, params: dict[str, Scalar]) -> None:
    """Check that parameters from the sampler are a point of the search space.

    Raises:
        SamplerError: They are not; the message names the first value outside.
    """
    if spec.space.contains(params):
        return
    outside = ", ".join(
        f"{name} {value!r} (allowed: {spec.searched[name].summary()})"
        for name, value in params.items()
        if not spec.searched[name].contains(value)
    )
    raise SamplerError(
        f"method {spec.method} suggested values outside of the search space: {outside or params}"
    )


@contextmanager
def naming_the_sampler(method: str) -> Iterator[None]:
    """Turn an exception of a sampler into one sentence that names the method.

    Optuna warns that define-by-run spaces are slow, and of experimental features: both are expected.

    Raises:
        SamplerError: The block raised an exception.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Define-by-run function")
        warnings.filterwarnings("ignore", module="optuna")
        warnings.simplefilter("ignore", ExperimentalWarning)
        try:
            yield
        except SamplerError:
            raise
        except (Exception, SystemExit) as error:
            raise SamplerError(f"the sampler of method {method} raised {in_one_line(error)}") from error


def _own_options(spec: SweepSpec) -> dict[str, Any]:
    """Return the options that this project chooses for a sampler of Optuna's, before those of the file."""
    if spec.method != "tpe" or spec.method_options.get("multivariate") is False:
        return {}
    return {"group": any(domain.when for domain in spec.searched.values())}
