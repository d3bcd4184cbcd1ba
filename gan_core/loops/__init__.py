"""Training loops: what a loop yields, and how it is run, sampled from and suspended."""
