"""Translate other tools' names of parameters, keys and values into the names here."""

import re
from collections.abc import Iterable

from gan_core.hyperparameters import Hyperparameters

_NAMES_HERE = {
    "lr": "learning_rate lr_g g_lr lr_gen gen_lr lr_generator generator_lr glr base_lr init_lr",
    "lr_d": "d_lr disc_lr lr_disc lr_discriminator discriminator_lr dlr lr_dis dis_lr critic_lr lr_critic",
    "steps": "max_steps num_steps n_steps total_steps train_steps iterations n_iter niter iters",
    "steps, which counts updates of the generator": "epochs n_epochs num_epochs max_epochs epoch kimg",
    "noise_dim": "latent_dim latent_size z_dim nz zdim z_size dim_z latent_dims noise_size latent",
    "noise": "z_dist noise_type latent_type noise_dist z_distribution",
    "beta1": "b1 beta_1 adam_beta1",
    "beta2": "b2 beta_2 adam_beta2",
    "batch_size": "bs batch batchsize train_batch_size mini_batch_size minibatch_size batch_gpu",
    "d_steps": "n_critic critic_iters d_iters n_dis dis_iters num_d_steps critic_steps n_disc d_updates",
    "penalty_weight": "lambda_gp gp_weight gp_lambda lambda_ r1_gamma gamma r1_weight penalty_lambda gp_coef",
    "leaky_slope": "negative_slope relu_slope lrelu_slope leaky_relu_slope leaky_relu_alpha",
    "ema_decay": "ema ema_beta ema_rate ema_kimg g_ema",
    "spectral_norm": "sn use_sn spectral spectral_normalization use_spectral_norm spectral_normalisation",
    "architecture": "model arch network backbone model_name",
    "loss": "gan_mode gan_type gan_loss loss_type loss_fn adversarial_loss criterion objective",
    "penalty": "gp gradient_penalty use_gp regularizer",
    "precision": "amp fp16 mixed_precision dtype use_amp",
    "seed": "random_seed manual_seed rng_seed random_state",
    "report_every": "eval_every eval_interval log_interval eval_freq snap",
    "eval_samples": "num_fid_samples n_samples_fid fid_samples num_samples_fid",
}

SYNONYMS = {other: here for here, others in _NAMES_HERE.items() for other in others.split()}
"""Other tools' names of parameters, each with the name here."""

_FIXED_SIZE = "the built-in networks have a fixed size: remove it, or type architecture: MODULE:NAME"
_LOADED_WHOLE = "the images are loaded into memory: remove it"
_CONSTANT_RATE = "the learning rate is constant: remove it"

UNSUPPORTED_PARAMETERS = {
    "optimizer": "Adam is the only optimiser: remove it",
    "optim": "Adam is the only optimiser: remove it",
    "momentum": "Adam is the only optimiser: remove it, or type beta1",
    "betas": "type beta1 and beta2, a parameter each",
    "dropout": "the built-in networks have no dropout: remove it, or type architecture: MODULE:NAME",
    "weight_decay": "Adam is used without weight decay: remove it",
    "eps": "Adam's epsilon is fixed: remove it",
    "epsilon": "Adam's epsilon is fixed: remove it",
    "grad_clip": "gradients are not clipped: remove it, or type penalty: gradient-penalty",
    "clip_value": "weights are not clipped: remove it, or type penalty: gradient-penalty",
    "weight_clip": "weights are not clipped: remove it, or type penalty: gradient-penalty",
    **dict.fromkeys(("scheduler", "lr_scheduler", "lr_decay", "warmup", "warmup_steps"), _CONSTANT_RATE),
    **dict.fromkeys(("num_workers", "workers", "n_workers", "n_cpu", "pin_memory"), _LOADED_WHOLE),
    **dict.fromkeys(("ngf", "ndf", "hidden_dim", "hidden_size", "n_layers", "num_layers"), _FIXED_SIZE),
    **dict.fromkeys(("activation", "norm", "channels_multiplier"), _FIXED_SIZE),
}
"""Other tools' parameters without a counterpart, each with the reason and what to type."""

KEYS = {
    "num_samples": "trials",
    "n_trials": "trials",
    "max_trials": "trials",
    "num_trials": "trials",
    "max_evals": "trials",
    "count": "trials",
    "timeout": "time_budget",
    "time_budget_s": "time_budget",
    "max_time": "time_budget",
    "sampler": "method",
    "algorithm": "method",
    "search_alg": "method",
    "scheduler": "early_terminate",
    "pruner": "early_terminate",
    "direction": "metric: {name: fid}; the goal follows from the name",
    "mode": "metric: {name: fid}; the goal follows from the name",
    "objective": "metric",
    "optimized_metric": "metric",
    "defaults": "the values of those files under parameters",
    "study_name": "name",
    "experiment_name": "name",
    "params": "parameters",
    "hyperparameters": "parameters",
    "hparams": "parameters",
    "search_space": "parameters",
    "searchspace": "parameters",
    "space": "parameters",
    "param_space": "parameters",
    "config": "parameters",
    "n_jobs": "resources: {cpu: 1}; as many trials run at a time as fit",
    "max_concurrent_trials": "resources: {cpu: 1}; as many trials run at a time as fit",
    "max_concurrent": "resources: {cpu: 1}; as many trials run at a time as fit",
    "hydra": "the parameters of its sweeper under parameters",
    "data": "dataset",
    "resolution": "image_size",
    "img_size": "image_size",
    "imagesize": "image_size",
}
"""Other tools' names of a file's keys, each with what to type here."""

_VALUES_HERE = {
    "bce": "vanilla nsgan ns nonsaturating logistic bcewithlogits gan standard crossentropy",
    "minimax": "saturating",
    "lsgan": "mse leastsquares ls l2",
    "wasserstein": "wgan wgangp w1 wdistance",
    "relativistic": "rsgan rpgan ragan rgan relativisticpairing",
    "gradient-penalty": "gp wgangp gradientpenalty",
    "none": "no null off 0",
    "uniform": "u",
    "normal": "gaussian n gauss randn standardnormal",
    "bf16": "bfloat16 mixed amp",
    "fp32": "float32 32 full",
    "mlp": "fc linear dense",
    "tpe": "bayes bayesian bayesianoptimization tpesampler optuna hyperopt bayesopt",
    "gp": "gpsampler gaussianprocess botorch",
    "cmaes": "cma cmaessampler",
    "nsga2": "nsgaii nsgaiisampler",
    "random": "randomsearch randomsampler",
    "grid": "gridsearch gridsampler",
    "asha": "ashascheduler asynchyperband successivehalving bohb hb",
    "median": "medianstoppingrule medianpruner medianstop",
    "pbt": "populationbasedtraining",
    "minimize": "min minimise lower",
    "maximize": "max maximise higher",
    "fid": "fidscore frechetinceptiondistance fid50k fid50kfull",
    "kid": "kid50k kidscore",
    "true": "yes on",
    "false": "no off",
}
_CALLED = {here: {here, *others.split()} for here, others in _VALUES_HERE.items()}

_NAME_SEPARATOR = re.compile(r"__|[./:]")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def value_here(value: object, allowed: Iterable[object]) -> str | None:
    """Return the allowed value that another tool calls ``value``, or None: ``lsgan`` for ``LSGAN``.

    >>> value_here("LSGAN", ["bce", "lsgan"]), value_here("Gaussian", ["uniform", "normal"])
    ('lsgan', 'normal')
    """
    if not isinstance(value, str):
        return None
    plain = _plain(_NAME_SEPARATOR.split(value)[-1])
    names = map(str, allowed)
    return next((name for name in names if plain in {_plain(name), *_CALLED.get(name, ())}), None)


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


def key_here(key: str) -> str | None:
    """Return what to type for another tool's key of a file, or None."""
    return KEYS.get(_snake_case(key))


def name_here(name: str, known: Hyperparameters) -> str:
    """Translate another tool's name of a parameter into the name here: ``lr`` for ``optimizer.lr``.

    >>> from gan_core import TrialConfig
    >>> known = Hyperparameters(TrialConfig)
    >>> [name_here(each, known) for each in ("model.noise_dim", "network.learning_rate", "batchSize")]
    ['noise_dim', 'lr', 'batch_size']
    """
    last = last_part(name)
    names = (name, last, SYNONYMS.get(last, last))
    return next((each for each in names if each in known), name)


def last_part(name: str) -> str:
    """Return the last part of another tool's name, in the form of names here.

    >>> last_part("optimizer.lr"), last_part("--batch-size"), last_part("model.noiseDim")
    ('lr', 'batch_size', 'noise_dim')
    """
    return _snake_case(_NAME_SEPARATOR.split(name.lstrip("-+~"))[-1])


def _snake_case(name: str) -> str:
    return _HUMP.sub("_", name).replace("-", "_").lower()
