"""The names that a training loop's own metrics may not have. This module imports nothing."""

SCORE_NAMES = frozenset(
    ("fid", "kid", "precision", "recall", "coverage", "modes", "class_kl", "memorisation", "copies")
)
"""The scores of :class:`gan_core.Evaluator`."""

COLUMN_NAMES = frozenset(
    (
        *("trial_id", "of", "status", "is_baseline", "feasible", "pareto", "flags"),
        *("took_over", "retries", "lineage"),
        *("step", "best_step", "samples", "reason", "traceback", "seconds"),
    )
)
"""The other columns of a sweep's tables."""
