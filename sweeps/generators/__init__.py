"""Trained generators that a sweep keeps: samples, formats, export."""
