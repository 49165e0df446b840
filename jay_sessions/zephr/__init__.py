"""Sessions of Zephr, fetched from its Admin API: signature -> transport -> client -> gateway."""
