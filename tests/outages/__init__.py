"""Outages done to real servers, and a judge of what clients were told meanwhile.

`proxy.py` stands between the site and its database and fails as networks do; `stage.py` puts up database,
proxy and site; `load.py` has clients that never pause, `judge.py` what must hold of their answers.
`variants.py` has the servers, lanes and recorders that take turns, and `cases.py` says which cases an
ordinary run has: all of them are `make check-all`.
"""
