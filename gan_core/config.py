"""What one trial is trained with."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from gan_core.architectures import architectures
from gan_core.losses import losses


class TrialConfig(BaseModel):
    """The hyperparameters of one GAN; the defaults are those of the seed tutorial.

    Raises:
        pydantic.ValidationError: A value is of the wrong type or out of its range, or a key is unknown.

    >>> TrialConfig(loss="lsgan", lr=1e-3).beta1
    0.5
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    architecture: Annotated[str, AfterValidator(architectures.check)] = Field(
        "mlp", description="The pair of networks."
    )
    loss: Annotated[str, AfterValidator(losses.check)] = Field("bce", description="The GAN loss.")
    noise_dim: int = Field(96, ge=1, le=4096, description="Dimensions of the generator's noise.")
    lr: float = Field(3e-4, gt=0, description="Adam's learning rate, of both networks.")
    beta1: float = Field(0.5, ge=0, lt=1, description="Adam's decay rate of the first moment.")
    beta2: float = Field(0.999, ge=0, lt=1, description="Adam's decay rate of the second moment.")
    leaky_slope: float = Field(
        0.2, ge=0, le=1, description="Slope of the discriminator's LeakyReLU below zero."
    )
    batch_size: int = Field(128, ge=2, le=65536, description="Images a step.")
    steps: int = Field(3910, ge=1, le=10**9, description="Steps of training: one of each network.")
    report_every: int = Field(250, ge=1, le=10**9, description="Steps between two reports.")
    eval_samples: int = Field(
        2000, ge=128, le=10**6, description="Generated images that a report's scores rest on."
    )
    seed: int = Field(
        0, ge=0, lt=2**63, description="Fixes the weights, the order of the data and the noise."
    )
