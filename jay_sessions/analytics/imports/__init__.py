"""Imports sessions from files: reads lines, makes rows of them, stores batches."""
