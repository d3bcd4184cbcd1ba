"""MLflow's copy of the record; the only package that imports MLflow."""
