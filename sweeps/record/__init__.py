"""The record of a sweep on disk: one writer, many readers."""
