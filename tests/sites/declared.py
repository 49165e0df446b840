"""The sites: which database, server, admin and variations each has: every value, and some pairs."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Site:
    """A site, by keys of `ENVIRONMENTS`, `DATABASES`, `SERVERS`, `THEMES` and `VARIATIONS` in their modules.

    `refused` is the id of the error with which `manage.py check` refuses the site, which is then not
    driven.
    """

    name: str
    environment: str = "newest"
    database: str = "SQLite, file"
    server: str = "gunicorn gthread"
    lane: bool = False
    recorder: str = "default"
    admin: str = "stock"
    variations: tuple[str, ...] = ()
    refused: str = ""


SITES = (
    # Databases.
    Site("sqlite", "oldest", server="runserver", variations=("unmigrated", "expiry")),
    Site("sqlite-memory", database="SQLite, memory", server="test client"),
    Site("sqlite-memory-group", database="SQLite, memory", server="test client", recorder="group"),
    Site("postgres", "oldest", "PostgreSQL", variations=("unmigrated", "without Zephr")),
    Site("postgres-group", "oldest", "PostgreSQL", "uvicorn", recorder="group", lane=True),
    Site("pool", database="PostgreSQL, psycopg's pool", recorder="direct"),
    Site("pool-lane", database="PostgreSQL, psycopg's pool", lane=True),
    Site("psycopg2", "drivers", "PostgreSQL, psycopg 2", "gunicorn sync"),
    Site("psycopg2-lane", "drivers", "PostgreSQL, psycopg 2", lane=True),
    Site("psycopg2-group", "drivers", "PostgreSQL, psycopg 2", recorder="group", refused="jay_sessions.E102"),
    Site("pgbouncer", database="PostgreSQL, PgBouncer", recorder="direct"),
    Site("pgbouncer-lane", database="PostgreSQL, PgBouncer", lane=True),
    Site("pgbouncer-asgi", database="PostgreSQL, PgBouncer", server="uvicorn", lane=True),
    Site("search-path", database="PostgreSQL, search_path"),
    Site("two-databases", database="two databases and a router", recorder="direct", variations=("west",)),
    Site("two-databases-lane", database="two databases and a router", lane=True),
    Site("atomic-requests", database="PostgreSQL, ATOMIC_REQUESTS", variations=("german",)),
    Site("mysql", "drivers", "MySQL", refused="jay_sessions.E101"),
    # Servers.
    Site("gunicorn-sync-lane", database="PostgreSQL", server="gunicorn sync", recorder="direct", lane=True),
    Site("gevent", database="PostgreSQL", server="gunicorn gevent", recorder="direct"),
    Site("gevent-lane", database="PostgreSQL", server="gunicorn gevent", lane=True),
    Site("uvicorn", "oldest", server="uvicorn"),
    Site("uvicorn-lane", database="PostgreSQL", server="uvicorn", recorder="direct", lane=True),
    Site("daphne", server="daphne"),
    Site("daphne-lane", database="PostgreSQL", server="daphne", lane=True),
    Site("hypercorn", "oldest", server="hypercorn", variations=("east", "expiry")),
    Site("hypercorn-lane", database="PostgreSQL", server="hypercorn", lane=True),
    Site("hypercorn-wsgi", server="hypercorn wsgi"),
    Site("hypercorn-wsgi-lane", database="PostgreSQL", server="hypercorn wsgi", lane=True),
    Site("waitress", server="waitress"),
    Site("waitress-lane", database="PostgreSQL", server="waitress", lane=True),
    Site("uwsgi", "uwsgi", server="uWSGI"),
    Site("uwsgi-lane", "uwsgi", "PostgreSQL", "uWSGI", lane=True),
    Site("granian-wsgi", "oldest", server="granian wsgi"),
    Site("granian-wsgi-lane", database="PostgreSQL", server="granian wsgi", lane=True),
    Site("granian-asginl", server="granian asginl"),
    Site("granian-asginl-lane", database="PostgreSQL", server="granian asginl", lane=True),
    # The admin; runserver has the themes' static files.
    Site("custom-admin-site", server="runserver", lane=True, admin="an AdminSite of its own"),
    Site("default-admin-site", server="runserver", admin="another default AdminSite", variations=("prefix",)),
    Site("unfold", server="runserver", admin="django-unfold"),
    Site("grappelli", server="runserver", admin="django-grappelli"),
    Site("jazzmin", "django60", server="runserver", admin="django-jazzmin"),
    Site("admin-interface", "django60", server="runserver", admin="django-admin-interface"),
    # What else sites have.
    Site("script-name", server="gunicorn sync", variations=("script name",)),
    Site("without-admin", database="PostgreSQL", lane=True, admin="none", variations=("without auth",)),
    Site("local-time", variations=("USE_TZ = False",), refused="jay_sessions.E020"),
)
