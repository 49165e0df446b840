"""How a session becomes a row, and how the app finds out that it has ended. Imports `models` and below."""
