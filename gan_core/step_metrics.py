"""The metrics of a training step, which every report has beside its scores."""

STEP_METRICS = {
    "d_loss": "the discriminator's loss, without the penalty",
    "g_loss": "the generator's loss",
    "d_penalty": "the penalty on the discriminator, before penalty_weight; 0 without a penalty",
    "d_logit_real": "the discriminator's mean logit of real images",
    "d_logit_fake": "the discriminator's mean logit of generated images",
    "d_grad_norm": "the norm of the gradient of the discriminator's weights, with the penalty",
    "g_grad_norm": "the norm of the gradient of the generator's weights",
}
"""Each metric's name and meaning. The values are those of the last update before the report."""
