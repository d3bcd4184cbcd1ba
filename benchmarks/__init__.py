"""Measure the figures that docs/measured.md quotes, one command each."""
