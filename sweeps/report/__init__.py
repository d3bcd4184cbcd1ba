"""The report page: its figures, tables and samples."""
