"""The same work as others would do it, each written as its documentation has it."""
