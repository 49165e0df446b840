"""The fast lane around the WSGI or ASGI application: it answers ordinary requests without Django's handler.

Imports `api` and below.
"""
