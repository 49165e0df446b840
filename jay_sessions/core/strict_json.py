"""Strict JSON by RFC 8259: Python's own parser accepts NaN and Infinity as numbers."""


def refuse_constant(name: str) -> None:
    """Raise ValueError. For `parse_constant` of Python's `json`, called with NaN, Infinity and -Infinity."""
    raise ValueError(f"{name} is not JSON.")
