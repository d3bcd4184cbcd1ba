"""One sweep, from the request to its end; the only package that wires the others together."""
