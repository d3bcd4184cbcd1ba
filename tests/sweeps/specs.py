"""Specs for tests."""

from textwrap import dedent

GOOD = """\
name: tiny
dataset: mnist-5k
trials: 3
parameters:
  loss: {values: [bce, lsgan]}
  lr: {distribution: log_uniform_values, min: 1e-4, max: 1e-2}
  beta1: {distribution: uniform, min: 0, max: 0.9}
  noise_dim: {min: 16, max: 128}
  steps: 20
  report_every: {value: 10}
"""


def write(folder, text, name="spec.yaml"):
    file = folder / name
    file.write_text(dedent(text), encoding="utf-8")
    return file
