"""The figures that docs/measured.md quotes, one command each."""
