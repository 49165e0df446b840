"""The endpoints. Their common part is in `base`."""
