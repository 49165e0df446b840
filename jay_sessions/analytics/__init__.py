"""Counts, lists, imports and exports sessions. Imports `store` and `zephr`, and below."""
