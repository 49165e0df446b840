import pytest

from .test_settings import found

DJANGO, OTHER = "django.core.cache.backends.redis.RedisCache", "django_redis.cache.RedisCache"


def cache(settings, backend=DJANGO, location="redis://127.0.0.1:6379", **options):
    default = {"BACKEND": backend, "LOCATION": location}
    settings.CACHES = {"default": {**default, "OPTIONS": options} if options else default}
    # Not asked for by anybody: one of these backends is not installed.
    return found(deploy=True).get("W124")


@pytest.fixture(autouse=True)
def _usual_again(settings):
    yield
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}


@pytest.mark.parametrize(
    ("backend", "name"), [(DJANGO, '"socket_timeout": 0.5'), (OTHER, '"SOCKET_TIMEOUT": 0.5')]
)
def test_a_redis_without_a_socket_timeout_is_warned_of_where_it_is_deployed(settings, backend, name):
    message = cache(settings, backend)
    assert name in message.hint
    written = eval("{" + message.hint.split(": ", 1)[1] + "}")
    assert cache(settings, backend, **written["OPTIONS"]) is None
    cache(settings, backend)
    assert "W124" not in found()


@pytest.mark.parametrize(
    ("backend", "location", "options"),
    [
        (DJANGO, "redis://127.0.0.1:6379?socket_timeout=1", {}),
        (DJANGO, ["redis://a?socket_timeout=1", "redis://b?socket_timeout=1"], {}),
        (OTHER, "redis://127.0.0.1:6379", {"CONNECTION_POOL_KWARGS": {"socket_timeout": 1}}),
        ("django.core.cache.backends.locmem.LocMemCache", "", {}),
        ("django.core.cache.backends.memcached.PyMemcacheCache", "127.0.0.1:11211", {}),
        ("mysite.cache.Cache", "redis://127.0.0.1:6379", {}),
    ],
)
def test_one_with_a_timeout_and_other_caches_are_not(settings, backend, location, options):
    assert cache(settings, backend, location, **options) is None


def test_one_of_several_without_is_warned_of(settings):
    assert cache(settings, location=["redis://a?socket_timeout=1", "redis://b"]) is not None


def test_the_example_site_sets_it(monkeypatch):
    import importlib

    from project import settings as example

    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:6379/0")
    try:
        options = importlib.reload(example).CACHES["default"]["OPTIONS"]
    finally:
        monkeypatch.undo()
        importlib.reload(example)
    assert options == {"socket_timeout": 0.5, "socket_connect_timeout": 0.5}
