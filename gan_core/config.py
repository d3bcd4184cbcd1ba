"""What one trial is trained with."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from gan_core.components import ARCHITECTURES, LOSSES, PENALTIES

DCGAN_LEAKY_SLOPE = 0.01
"""The seed tutorial's slope in its convolutional discriminator; elsewhere it has 0.2."""

Precision = Literal["auto", "fp32", "bf16"]


CHANGEABLE = ("lr", "lr_d", "beta1", "beta2", "penalty_weight", "batch_size", "d_steps")
"""The parameters that a training may change on its way: they are neither the networks' nor the scores'."""

UNUSED_WITH = {"penalty_weight": {"penalty": "none"}}
"""The parameters that a training does not use where another one has a certain value."""


class TrialConfig(BaseModel):
    """The hyperparameters of one GAN; the defaults are those of the seed tutorial.

    Raises:
        pydantic.ValidationError: A value is of the wrong type or out of its range, or a key is unknown.

    >>> TrialConfig(loss="lsgan", lr=1e-3).beta1
    0.5
    >>> TrialConfig(architecture="dcgan").leaky_slope
    0.01
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    architecture: Annotated[str, AfterValidator(ARCHITECTURES.check)] = Field(
        "mlp", description="The pair of networks."
    )
    loss: Annotated[str, AfterValidator(LOSSES.check)] = Field("bce", description="The GAN loss.")
    penalty: Annotated[str, AfterValidator(PENALTIES.check)] = Field(
        "none", description="The penalty on the discriminator's gradient."
    )
    penalty_weight: float = Field(10.0, ge=0, description="What the penalty is multiplied with.")
    noise: Literal["uniform", "normal"] = Field(
        "uniform", description="The noise: uniform on [-1, 1), or standard normal."
    )
    noise_dim: int = Field(96, ge=1, le=4096, description="Dimensions of the generator's noise.")
    lr: float = Field(3e-4, gt=0, description="Adam's learning rate.")
    lr_d: float | None = Field(None, gt=0, description="The discriminator's, where it is not lr (TTUR).")
    beta1: float = Field(0.5, ge=0, lt=1, description="Adam's decay rate of the first moment.")
    beta2: float = Field(0.999, ge=0, lt=1, description="Adam's decay rate of the second moment.")
    leaky_slope: float = Field(
        0.2,
        ge=0,
        le=1,
        description="Slope of the discriminator's LeakyReLU below zero; for dcgan, the default is 0.01.",
    )
    spectral_norm: bool = Field(
        default=False, description="Spectral normalisation of the discriminator's layers (arXiv:1802.05957)."
    )
    ema_decay: float = Field(
        0.0, ge=0, lt=1, description="Decay, a step, of the generator's average; 0 is no average."
    )
    d_steps: int = Field(
        1, ge=1, le=100, description="Updates of the discriminator for one of the generator."
    )
    batch_size: int = Field(128, ge=2, le=65536, description="Images an update of the discriminator.")
    steps: int = Field(3910, ge=1, le=10**9, description="Updates of the generator.")
    report_every: int = Field(250, ge=1, le=10**9, description="Steps between two reports.")
    eval_samples: int = Field(
        2000, ge=128, le=10**6, description="Generated images that a report's scores rest on."
    )
    final_samples: int = Field(
        10_000, ge=128, le=10**6, description="Generated images that the final score rests on."
    )
    precision: Precision = Field(
        "auto",
        description="float32, or mixed bfloat16; auto is bf16 where the hardware gains from it, else fp32.",
    )
    seed: int = Field(
        0, ge=0, lt=2**63, description="Fixes the weights, the order of the data and the noise."
    )

    @model_validator(mode="before")
    @classmethod
    def _default_of_the_architecture(cls, values: Any) -> Any:  # noqa: ANN401 - not validated yet
        if isinstance(values, dict) and values.get("architecture") == "dcgan":
            return {"leaky_slope": DCGAN_LEAKY_SLOPE} | values
        return values
