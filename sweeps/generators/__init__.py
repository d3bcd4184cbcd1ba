"""The trained generators that a sweep keeps: load, draw, export."""
