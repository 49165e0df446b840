"""JSON as RFC 8259 has it, where Python's own reader takes NaN and Infinity for numbers."""


def refuse_constant(name: str) -> None:
    """Raise ValueError; for the `parse_constant` of Python's `json`, called with what is no JSON."""
    raise ValueError(f"{name} is no JSON.")
