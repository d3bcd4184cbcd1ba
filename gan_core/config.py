"""The hyperparameters of one trial."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from gan_core.choices import CudaGraphs, Precision
from gan_core.component_config import ComponentConfig
from gan_core.components import ARCHITECTURES, LOSSES, PENALTIES
from gan_core.loop_config import Changeable, SameAs, UnusedWith, changeable

if TYPE_CHECKING:
    import torch

DCGAN_LEAKY_SLOPE = 0.01
"""The LeakyReLU slope of the tutorial's DCGAN discriminator; its other discriminator uses 0.2."""


class TrialConfig(ComponentConfig):
    """The hyperparameters of one GAN; the defaults are those of the tutorial that ``README.md`` names.

    The parameters of a user's own component are hyperparameters, too (:class:`gan_core.component.Component`):
    ``TrialConfig(architecture="mine:Wide", **{"architecture.width": 32})``.

    Raises:
        pydantic.ValidationError: A value has the wrong type or is out of range, or a key is unknown.

    >>> TrialConfig(loss="lsgan", lr=1e-3).beta1
    0.5
    >>> TrialConfig(architecture="dcgan").leaky_slope
    0.01
    """

    architecture: Annotated[str, AfterValidator(ARCHITECTURES.check), ARCHITECTURES] = Field(
        "mlp", description="The generator and discriminator networks."
    )
    loss: Annotated[str, AfterValidator(LOSSES.check), LOSSES] = Field("bce", description="The GAN loss.")
    penalty: Annotated[str, AfterValidator(PENALTIES.check), PENALTIES] = Field(
        "none", description="The gradient penalty on the discriminator."
    )
    penalty_weight: Annotated[float, Changeable, UnusedWith("penalty", "none")] = Field(
        10.0, ge=0, description="The weight of the penalty in the discriminator's loss."
    )
    noise: Literal["uniform", "normal"] = Field(
        "uniform", description="The generator's noise: uniform on [-1, 1), or standard normal."
    )
    noise_dim: int = Field(96, ge=1, le=4096, description="The dimension of the generator's noise.")
    lr: Annotated[float, Changeable] = Field(3e-4, gt=0, description="Adam's learning rate.")
    lr_d: Annotated[float | None, Changeable, SameAs("lr")] = Field(
        None, gt=0, description="The discriminator's learning rate (TTUR); lr if not set."
    )
    beta1: Annotated[float, Changeable] = Field(
        0.5, ge=0, lt=1, description="Adam's decay rate of the first moment."
    )
    beta2: Annotated[float, Changeable] = Field(
        0.999, ge=0, lt=1, description="Adam's decay rate of the second moment."
    )
    leaky_slope: float = Field(
        0.2,
        ge=0,
        le=1,
        description="Negative slope of the discriminator's LeakyReLU; the default for dcgan is 0.01.",
    )
    spectral_norm: bool = Field(
        default=False, description="Spectral normalization of the discriminator's layers (arXiv:1802.05957)."
    )
    ema_decay: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Decay per step of the EMA of the generator, after a ramp; 0 turns the EMA off.",
    )
    d_steps: Annotated[int, Changeable] = Field(
        1, ge=1, le=100, description="Discriminator updates per generator update."
    )
    batch_size: Annotated[int, Changeable] = Field(
        128, ge=2, le=65536, description="Real images per discriminator update."
    )
    hflip: bool = Field(
        default=False, description="Mirror each training image left to right with a probability of 1/2."
    )
    precision: Precision = Field(
        "auto",
        description="float32, or bfloat16 mixed precision; auto picks bf16 on hardware that supports it.",
    )
    cuda_graphs: CudaGraphs = Field(
        "off",
        description="auto starts each training step on a GPU as one CUDA graph, if the components allow it.",
    )

    @model_validator(mode="before")
    @classmethod
    def _apply_architecture_defaults(cls, values: Any) -> Any:  # noqa: ANN401 - not validated yet
        if isinstance(values, dict) and values.get("architecture") == "dcgan":
            return {"leaky_slope": DCGAN_LEAKY_SLOPE} | values
        return values

    def identity(self) -> dict[str, Any]:
        """Return the hyperparameters without ``cuda_graphs``: graphs compute the same numbers."""
        return {name: value for name, value in super().identity().items() if name != "cuda_graphs"}

    def resolved(self, device: "torch.device") -> dict[str, str]:
        """Return the precision on this device."""
        from gan_core.precision import resolve_precision

        return {"precision": resolve_precision(self.precision, device)}


CHANGEABLE = changeable(TrialConfig)
"""The hyperparameters that may change during training; networks and metrics do not depend on them."""
