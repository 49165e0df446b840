"""The parts of the app that work without Django: tokens, ids, the text of keys, playouts, rates.

Imports only `exceptions`.
"""
