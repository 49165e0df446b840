"""The Zephr look-up."""
