"""Outages done to real servers, and a judge of what clients were told meanwhile.

`proxy.py` stands between the site and its database and fails as networks do; `cluster.py` has the
database, `sites.py` the servers, `load.py` clients that never pause, `judge.py` what must hold of their
answers. `cases.py` puts them together, and says which cases an ordinary run has: all of them are
`make check-all`.
"""
