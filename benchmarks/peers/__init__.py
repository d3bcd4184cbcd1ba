"""The same work with other tools, each used as its documentation shows."""
