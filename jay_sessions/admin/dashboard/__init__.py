"""The dashboard: its periods, cards, charts and links."""
