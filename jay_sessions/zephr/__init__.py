"""Reads Zephr sessions from Zephr's Admin API: signature -> transport -> client -> gateway."""
