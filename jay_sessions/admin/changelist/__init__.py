"""The list of sessions: filters, pages, export, deletion."""
