"""What happened in a sweep, on disk: one writer, many readers."""
