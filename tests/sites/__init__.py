"""`make sites`: ordinary sites with the app, each used as its owner, its clients and its operators would.

    python -m tests.sites [--list] [--write] [NAME,NAME ...]

`declared.py` has the table of the sites, `running.py` makes one and drives it, `report.py` says what came of
them. It runs in an environment of its own, with the packages of `requirements/sites.txt`; Django is in the
environments of the sites alone.
"""
