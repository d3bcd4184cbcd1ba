"""Compare search rules on recorded trainings: ``python -m benchmarks.search``."""
