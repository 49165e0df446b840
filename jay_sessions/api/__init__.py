"""The contract over DRF; the modules have DRF's names. Imports the use cases and below."""
