"""What to train next and what to stop early; the only package that imports Optuna."""
