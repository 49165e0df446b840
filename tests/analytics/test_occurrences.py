"""Where the sessions of a provider or a source are, as the numbers of days tell."""

import datetime

import pytest

from jay_sessions.analytics import occurrences, rollups, statistics
from jay_sessions.analytics.occurrences import EVERYWHERE, Span
from jay_sessions.core.uuid7 import first_id, lowest_id, uuid7
from jay_sessions.models import TrackingSession
from jay_sessions.models.rollups import Dimension, RollupState

pytestmark = pytest.mark.django_db

NOON = datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.UTC)
DAY = datetime.timedelta(days=1)


def store(started, provider="netflix", source="here"):
    """Store a session without a note, as a recorder does."""
    session = TrackingSession(
        session_id=uuid7(started, 1),
        started_at=started,
        playout_id="x:1",
        provider_name=provider,
        source=source,
    )
    session.save_base(force_insert=True)
    return session


def of(name="netflix", dimension=Dimension.PROVIDER):
    return occurrences.spans(dimension, name)


def holds(spans, session):
    return any(span.first <= session.pk <= span.last for span in spans)


def test_without_numbers_sessions_may_be_anywhere():
    store(NOON)
    assert of() == EVERYWHERE
    assert of("zdf") == EVERYWHERE


def test_spans_are_the_days_with_such_sessions_and_what_is_not_counted_yet(time_machine):
    time_machine.move_to(NOON + 9 * DAY, tick=False)
    found = [store(NOON + back * DAY) for back in (0, 1, 4)]
    other = store(NOON + 2 * DAY, provider="zdf")
    list(rollups.run())
    new = store(NOON + 9 * DAY)
    midnight = NOON.replace(hour=0)
    spans = of()
    assert len(spans) == 3
    assert [span.first for span in spans[1:]] == [lowest_id(midnight + 4 * DAY), lowest_id(midnight)]
    assert all(holds(spans, session) for session in (*found, new))
    assert not holds(spans, other)
    assert len(of("never")) == 1
    assert holds(of("here", Dimension.SOURCE), other)


def test_late_sessions_and_days_to_recount_are_searched_too(time_machine):
    time_machine.move_to(NOON + 9 * DAY, tick=False)
    store(NOON + 4 * DAY)
    list(rollups.run())
    late = TrackingSession(session_id=uuid7(NOON, 1), started_at=NOON, playout_id="x:1", source="here")
    late.save()
    assert holds(of("zdf"), late)
    list(rollups.run())
    assert not holds(of("zdf"), late)
    RollupState.objects.update(recount_from=NOON.date())
    assert holds(of("zdf"), late)


def test_a_name_may_be_among_the_others_of_a_day(time_machine, setting):
    time_machine.move_to(NOON + 9 * DAY, tick=False)
    setting(MAX_DAILY_PLAYOUTS=1)
    store(NOON)
    other = store(NOON + datetime.timedelta(hours=1), provider="zdf")
    list(rollups.run())
    assert holds(of("zdf"), other)


@pytest.mark.parametrize("is_marked", [False, True])
def test_sessions_that_came_too_late_to_be_counted_are_found(time_machine, is_marked):
    time_machine.move_to(NOON + 9 * DAY, tick=False)
    for hours in range(4):
        store(NOON + datetime.timedelta(hours=hours))
    list(rollups.run())
    # The day has lost sessions, so it keeps its numbers.
    TrackingSession.objects.filter(started_at__gt=NOON + datetime.timedelta(hours=1)).delete()
    moment = NOON + datetime.timedelta(hours=1, minutes=1)
    late = TrackingSession(
        session_id=uuid7(moment, 1),
        started_at=moment,
        playout_id="x:1",
        provider_name="zdf",
        source="there",
    )
    late.save()
    if is_marked:
        RollupState.objects.update(recount_from=NOON.date())
    list(rollups.run())
    assert holds(of("zdf"), late)
    assert holds(of("there", Dimension.SOURCE), late)
    assert occurrences.names(Dimension.SOURCE) == ["here", "there"]
    breakdown = statistics.breakdown(Dimension.PROVIDER, NOON.date(), NOON.date() + DAY)
    assert [(name, metrics.sessions) for name, metrics in breakdown] == [("netflix", 4)]


def test_where_only_counted_names_are_left_a_day_is_not_searched_for_others(time_machine):
    time_machine.move_to(NOON + 9 * DAY, tick=False)
    gone = [store(NOON + datetime.timedelta(hours=hours)) for hours in range(4)][1:]
    list(rollups.run())
    for session in gone:
        session.delete()
    RollupState.objects.update(recount_from=NOON.date())
    list(rollups.run())
    assert len(of("zdf")) == 1


def test_a_time_in_the_future_says_nothing_about_where_sessions_are(time_machine):
    time_machine.move_to(NOON + 9 * DAY, tick=False)
    store(NOON)
    list(rollups.run())
    time_machine.move_to(NOON + 2 * DAY, tick=False)
    assert of("zdf") == EVERYWHERE
    list(rollups.run())
    assert of("zdf") != EVERYWHERE


def test_in_another_zone_than_that_of_the_numbers_sessions_may_be_anywhere(settings):
    store(NOON)
    list(rollups.run())
    settings.TIME_ZONE = "Asia/Tokyo"
    assert of() == EVERYWHERE


def test_ids_in_two_lists_of_spans():
    [a, b, c, d] = (first_id(NOON + number * DAY) for number in range(4))
    assert occurrences.both((Span(a, d),), (Span(c, d), Span(a, b))) == (Span(c, d), Span(a, b))
    assert occurrences.both((Span(b, c),), (Span(a, d),)) == (Span(b, c),)
    assert occurrences.both((Span(a, a),), (Span(b, d),)) == ()
    assert occurrences.both((Span(c, d), Span(a, b)), (Span(b, d),)) == (Span(c, d), Span(b, b))
    assert occurrences.both((Span(a, d),), EVERYWHERE) == (Span(a, d),)
    assert occurrences.both(EVERYWHERE, EVERYWHERE) == EVERYWHERE


def test_names_are_those_that_were_counted_and_those_of_the_newest_sessions(monkeypatch):
    store(NOON, provider="zdf")
    list(rollups.run())
    store(NOON + DAY, provider="arte")
    store(NOON + 2 * DAY, provider=None)
    assert occurrences.names(Dimension.PROVIDER) == ["arte", "zdf"]
    assert occurrences.names(Dimension.PROVIDER, limit=1) == ["arte"]
    monkeypatch.setattr(occurrences, "_NEWEST", 1)
    assert occurrences.names(Dimension.PROVIDER) == ["zdf"]
    assert occurrences.names(Dimension.SOURCE) == ["here"]
