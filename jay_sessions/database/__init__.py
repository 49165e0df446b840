"""Access to the database: waits are limited, connections are owned, errors become the app's own.

This folder knows no table. It imports `core`, `conf` and `exceptions`.
"""
