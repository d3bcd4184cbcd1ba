"""What the record of a sweep says: tables, statistics and the verdict."""
