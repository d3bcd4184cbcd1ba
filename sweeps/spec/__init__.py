"""What a search-space file asks for."""
