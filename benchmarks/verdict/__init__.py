"""Fit, calibrate and measure the verdict on seeds: ``python -m benchmarks.verdict``."""
