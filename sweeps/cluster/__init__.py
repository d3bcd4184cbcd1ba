"""Ray: the connection, its resources, the storage of checkpoints, and a trial in a worker."""
