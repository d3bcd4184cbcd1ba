"""Ray: the connection, resources, storage, and one trial in a worker."""
