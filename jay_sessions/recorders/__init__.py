"""How a started session becomes a row. Each module has `record(session)`."""
