"""Read search-space files, check them and describe their search space."""
