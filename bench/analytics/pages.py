"""What is measured: the pages and endpoints, and what Django and SQL do without the app."""

import datetime
from collections.abc import Callable
from urllib.parse import urlencode

from django.contrib.auth.models import User
from django.db import connection
from django.db.models import QuerySet
from django.test import Client

from jay_sessions.api import pagination
from jay_sessions.models import ApiKey, TrackingSession
from jay_sessions.models.grants import Scope

DEEP = 10_000 * 100
PER_PAGE = 50
PLAYOUT = "netflix-de:0000"


def pages() -> dict[str, Callable[[], object]]:
    """Return what is measured, by name; `plain: …` is what Django and SQL do without the app."""
    mine = TrackingSession.objects.filter(playout_id=PLAYOUT).order_by("-session_id")
    user = str(mine.filter(user_id__isnull=False).values_list("user_id", flat=True)[0])
    admin = Client()
    operator, _ = User.objects.get_or_create(username="bench", is_staff=True, is_superuser=True)
    admin.force_login(operator)
    return {**in_the_admin(admin, user), **over_the_api(mine, user), **plain(admin, user)}


def in_the_admin(admin: Client, user: str) -> dict[str, Callable[[], object]]:
    newest_first = TrackingSession.objects.values_list("session_id", flat=True)
    rows = "/admin/jay_sessions/trackingsession/"
    dashboard = f"{rows}dashboard/"
    return {
        "list": get(admin, rows),
        "list, one provider": get(admin, rows, provider_name="arte"),
        "list, active": get(admin, rows, state="active"),
        "list, page 50": get(admin, rows, before=str(newest_first[49 * PER_PAGE])),
        "search, a user": get(admin, rows, q=user),
        "search, the beginning of playouts": get(admin, rows, q="netflix-de:00*"),
        "dashboard, 30 days": get(admin, dashboard),
        "dashboard, 52 weeks": get(admin, dashboard, period="52-weeks"),
    }


def over_the_api(mine: QuerySet[TrackingSession], user: str) -> dict[str, Callable[[], object]]:
    key, text = ApiKey.objects.issue("bench", scopes=[Scope.ANALYTICS.value])
    api = Client(headers={"X-API-Key": text})
    ids = mine.values_list("session_id", flat=True)
    deep = ids[max(0, min(DEEP, ids.count() - 1000))]
    token = pagination.write(deep, key.pk, PLAYOUT, [None] * 5)
    listing, numbers = f"/playouts/{PLAYOUT}/tracking/sessions", f"/playouts/{PLAYOUT}/tracking/statistics"
    return {
        "statistics, 30 days": get(api, numbers),
        "statistics, 30 days in Kathmandu": get(api, numbers, tz="Asia/Kathmandu"),
        "statistics, 48 hours": get(api, numbers, interval="hour"),
        "listing, first page": get(api, listing),
        "listing, 10,000th page": get(api, listing, next_token=token),
        "listing, one user": get(api, listing, user_id=user),
    }


def plain(admin: Client, user: str) -> dict[str, Callable[[], object]]:
    rows = "/plain/jay_sessions/trackingsession/"
    month = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=30)
    by_day = (
        "SELECT date_trunc('day', started_at), COUNT(*), COUNT(DISTINCT user_id) FROM jay_tracking_session"
    )
    return {
        "plain: list": get(admin, rows),
        "plain: list, one provider": get(admin, rows, provider_name="arte"),
        "plain: list, page 50": get(admin, rows, p="50"),
        "plain: search, a user": get(admin, rows, q=user),
        "plain: dashboard, 30 days": sql(f"{by_day} WHERE started_at >= %s GROUP BY 1", month),
        "plain: statistics, 30 days": sql(
            f"{by_day} WHERE playout_id = %s AND started_at >= %s GROUP BY 1", PLAYOUT, month
        ),
    }


def get(client: Client, path: str, **query: str) -> Callable[[], object]:
    def ask() -> None:
        response = client.get(f"{path}?{urlencode(query)}")
        assert response.status_code == 200, (path, query, response.status_code)
        response.getvalue()

    return ask


def sql(query: str, *parameters: object) -> Callable[[], object]:
    def ask() -> None:
        with connection.cursor() as cursor:
            cursor.execute(query, parameters)
            cursor.fetchall()

    return ask
