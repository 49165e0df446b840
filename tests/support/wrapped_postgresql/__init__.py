"""A database backend that wraps Django's for PostgreSQL, as those of pools and metrics do."""
