"""The module for pages, in a real browser: without storage, behind proxies, and when a page is left."""

import http.server
import json
import threading
import time

import pytest
from django.core.signals import request_finished, request_started

from jay_sessions.models import TrackingSession
from project import settings as example_site

from ..conftest import until
from ..support.servers import ROOT, free_port
from .test_admin import chromium, site  # noqa: F401 (fixtures)

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PLAYOUT = "netflix-de:s01e01"
MODULE = (ROOT / "project" / "static" / "project" / "tracking-session.js").read_text(encoding="utf-8")
TOKEN = "eyJh"
STARTED = {"data": {"sessionId": "1"}}
NOT_VALID = {"error": {"code": 1001, "message": "No session.", "details": "TRACKING_NOT_VALID"}}
AWAY = {"error": {"code": 503, "message": "The store is away.", "details": "STORE_UNAVAILABLE"}}
PROBLEMS = [{"loc": ["query", "user_id"], "msg": "Too long.", "type": "string_too_long"}]
HTML = "<html><h1>Bad Gateway</h1>"


class Wire(http.server.BaseHTTPRequestHandler):
    """What stands between a page and the API answers as it is told to; notes what it was asked."""

    protocol_version = "HTTP/1.1"

    def do_OPTIONS(self):
        if self.headers["Access-Control-Request-Method"] == "DELETE":
            self.server.may_end.wait(20)
        self.send_response(204)
        self.allow()
        self.send_header("Access-Control-Max-Age", "0")
        self.end_headers()

    def answer(self):
        wire = self.server
        wire.paths.append(self.path)
        wire.asked.append((self.command, self.headers.get("X-JAY-TRACKING")))
        status, headers, body = wire.answers.pop(0)
        if status is None:
            wire.held.wait(20)
            self.close_connection = True
            return
        payload = (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(status)
        self.allow()
        for name, value in {"Content-Length": str(len(payload)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(payload)
        self.close_connection = True

    do_GET = do_POST = do_DELETE = answer

    def allow(self):
        self.send_header("Access-Control-Allow-Origin", self.headers["Origin"])
        self.send_header("Access-Control-Allow-Credentials", "true")
        self.send_header("Access-Control-Allow-Headers", "x-api-key, x-jay-tracking")
        self.send_header("Access-Control-Allow-Methods", "GET, POST, DELETE")
        if self.server.exposes:
            self.send_header("Access-Control-Expose-Headers", "X-JAY-TRACKING, Retry-After")

    def log_message(self, *args):
        pass


@pytest.fixture
def wire():
    """A server that gives `answers`, of status, headers and body, in their order; without a status, none."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Wire) as server:
        server.asked, server.paths, server.answers, server.exposes = [], [], [], True
        server.held, server.may_end = threading.Event(), threading.Event()
        server.may_end.set()
        server.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.held.set()
        server.may_end.set()
        server.shutdown()
        thread.join()


TOLD = "({ name: error.constructor.name, isError: error instanceof Error, status: error.status, " + (
    "code: error.code, details: error.details, retryAfter: error.retryAfter })"
)


@pytest.fixture
def requests_done():
    """Wait, after the test, for what its page still asks of the site: the tables are emptied next."""
    begun, ended_at = [], []

    def begin(**kwargs):
        begun.append(1)

    def end(**kwargs):
        ended_at.append(time.monotonic())

    request_started.connect(begin)
    request_finished.connect(end)
    yield
    until(lambda: len(begun) == len(ended_at) and time.monotonic() - max(ended_at, default=0) > 0.2)
    request_started.disconnect(begin)
    request_finished.disconnect(end)


@pytest.fixture
def page(chromium, site, requests_done):  # noqa: F811
    """Run code on a page that has `session`, of the module; what it returns, or what is told of an error."""

    def run(code, url=site.url, key="jay_x", **options):
        given = json.dumps({"url": url, "key": key, "playout": PLAYOUT, **options})
        return chromium.execute_async_script(f"""
            const done = arguments[0];
            (async () => {{
                const {{ TrackingSession }} = await import("/static/project/tracking-session.js");
                const session = new TrackingSession({given});
                const told = (error) => {TOLD};
                {code}
            }})().then(done, (error) => done({TOLD}));
        """)

    chromium.get(f"{site.url}/player/")
    chromium.execute_script("sessionStorage.clear()")
    chromium.execute_cdp_cmd("Network.clearBrowserCookies", {})
    yield run
    chromium.get("about:blank")


def error(status, code=None, details=None, retry_after=None):
    known = {"status": status, "code": code, "details": details, "retryAfter": retry_after}
    return {"name": "TrackingError", "isError": True, **known}


PAST = {"Retry-After": "Mon, 02 Sep 2024 12:00:00 GMT"}


@pytest.mark.parametrize("call", ["start", "read", "end"])
@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param((502, {}, HTML), error(502), id="html of a proxy"),
        pytest.param((504, {}, ""), error(504), id="nothing of a proxy"),
        pytest.param((503, {"Retry-After": "7"}, AWAY), error(503, 503, "STORE_UNAVAILABLE", 7), id="away"),
        pytest.param((429, {"Retry-After": "120"}, HTML), error(429, retry_after=120), id="proxy's limit"),
        pytest.param((503, PAST, HTML), error(503, retry_after=0), id="when it should be well again"),
        pytest.param((503, {"Retry-After": "soon"}, HTML), error(503), id="no time"),
        pytest.param((400, {}, HTML), error(400), id="refused by a proxy"),
        pytest.param((403, {}, {"message": "Forbidden"}), error(403), id="JSON of another kind"),
        pytest.param((403, {}, {"error": "forbidden"}), error(403), id="an error in words"),
        pytest.param((500, {}, "null"), error(500), id="null"),
        pytest.param((422, {}, {"detail": PROBLEMS}), error(422, details=PROBLEMS), id="parameter"),
        pytest.param((200, {}, HTML), error(200), id="a login page"),
        pytest.param((200, {}, "[]"), error(200), id="a list"),
        pytest.param((200, {"Content-Length": "99"}, STARTED), error(200), id="cut off"),
        pytest.param((None, {}, ""), error(0), id="hung up"),
    ],
)
def test_whatever_goes_wrong_is_one_error_that_says_what_is_known(page, wire, call, answer, expected):
    wire.held.set()
    wire.answers += [answer] * 5  # a browser may ask again where a connection is closed
    assert page(f"await session.{call}();", wire.url) == expected


@pytest.mark.parametrize("call", ["start", "read", "end"])
def test_that_nobody_answers_is_such_an_error_too(page, call):
    assert page(f"await session.{call}();", f"http://127.0.0.1:{free_port()}") == error(0)


@pytest.mark.parametrize("slash", ["", "/"])
def test_the_api_may_be_named_with_a_slash_behind_it(page, wire, slash):
    wire.answers += [(200, {}, STARTED)]
    page("await session.start('a&b');", wire.url + slash)
    assert wire.paths == ["/playouts/netflix-de%3As01e01/tracking/session?user_id=a%26b"]


ROUND = """
    const { sessionId } = await session.start();
    const same = await session.read();
    await session.end();
    return [sessionId, same?.sessionId, await session.read()];
"""


def check_round(result):
    row = TrackingSession.objects.get()
    assert result == [str(row.session_id), str(row.session_id), None]
    assert row.ended_at is not None


def test_a_frame_that_may_keep_nothing_starts_reads_and_ends_a_session(chromium, site, key, settings):  # noqa: F811
    """The frame has an origin of its own, to which the browser denies cookies and storage both."""
    settings.CORS_ALLOWED_ORIGINS = ["null"]
    settings.CORS_URLS_REGEX = "/playouts/"
    given = json.dumps({"url": site.url, "key": key, "playout": PLAYOUT})
    inside = f"""<script type="module">
        {MODULE}
        let denied = "nothing";
        try {{ sessionStorage }} catch (error) {{ denied = error.name }}
        const session = new TrackingSession({given});
        (async () => {{ {ROUND} }})().then(
            (result) => parent.postMessage([denied, ...result], "*"),
            (error) => parent.postMessage(String(error), "*"),
        );
    </script>"""
    chromium.get(f"{site.url}/player/")
    denied, *result = chromium.execute_async_script(
        """
        addEventListener("message", (event) => arguments[1](event.data), { once: true });
        const frame = document.createElement("iframe");
        frame.sandbox = "allow-scripts";
        frame.srcdoc = arguments[0];
        document.body.append(frame);
        """,
        inside,
    )
    assert denied == "SecurityError"
    check_round(result)


FULL = """
    const fill = (size) => {
        for (let n = 0; ; n++) {
            try { sessionStorage.setItem(`${size}-${n}`, "x".repeat(size)) } catch { return }
        }
    };
    [1 << 20, 1 << 10, 1].forEach(fill);
"""


def test_where_storage_is_full_a_session_is_kept_all_the_same(page, site, key):  # noqa: F811
    check_round(page(FULL + ROUND, site.url, key, cookie=False))


def test_an_older_session_does_not_come_back_because_storage_was_full(page, site, key, chromium):  # noqa: F811
    page(
        "await session.start();" + FULL + "await session.start('x'.repeat(255));", site.url, key, cookie=False
    )
    chromium.refresh()
    assert page("return session.read();", site.url, key, cookie=False) is None


@pytest.mark.parametrize("storage", ["localStorage", "() => localStorage"])
def test_a_session_outlives_the_tab_in_a_storage_that_does(page, site, key, chromium, storage):  # noqa: F811
    renewed = "const own = new TrackingSession({...%s, storage: %s}); return own.%s();"
    given = json.dumps({"url": site.url, "key": key, "playout": PLAYOUT, "cookie": False})
    started = page(renewed % (given, storage, "start"))
    assert started["sessionId"] == str(TrackingSession.objects.get().session_id)
    chromium.execute_script("sessionStorage.clear()")
    chromium.refresh()
    assert page(renewed % (given, storage, "read")) == started
    chromium.execute_script("localStorage.clear()")


def test_where_the_token_is_hidden_from_the_page_none_is_made_up(page, wire):
    wire.answers += [(200, {"X-JAY-TRACKING": TOKEN}, STARTED), (200, {"X-JAY-TRACKING": TOKEN}, STARTED)]
    wire.answers += [(400, {}, NOT_VALID)]
    page("await session.start();", wire.url)
    wire.exposes = False
    warned = page(
        """
        const warned = [];
        const warn = console.warn;
        console.warn = (text) => warned.push(text);
        try { await session.start(); } finally { console.warn = warn }
        return [await session.read(), warned];
        """,
        wire.url,
    )
    assert wire.asked == [("POST", None), ("POST", TOKEN), ("GET", None)]
    assert warned[0] is None
    assert "Access-Control-Expose-Headers" in warned[1][0]


def test_a_token_is_kept_though_the_answer_breaks_off(page, wire):
    wire.answers += [(200, {"X-JAY-TRACKING": TOKEN, "Content-Length": "99"}, STARTED), (200, {}, STARTED)]
    assert page("await session.start().catch(() => {}); return session.read();", wire.url) == {
        "sessionId": "1"
    }
    assert wire.asked[-1] == ("GET", TOKEN)


@pytest.mark.parametrize("users", [("'ada'", "'ada'"), ("", "null")])
def test_two_starts_at_once_are_one(page, site, key, users):  # noqa: F811
    starts = ", ".join(f"session.start({user})" for user in users)
    first, second = page(f"return Promise.all([{starts}]);", site.url, key)
    assert first == second
    assert TrackingSession.objects.count() == 1


def test_a_start_after_another_is_a_session_of_its_own(page, site, key):  # noqa: F811
    page("await session.start('ada'); await session.start('ada');", site.url, key)
    assert TrackingSession.objects.count() == 2


def test_starts_of_two_users_at_once_are_two_and_the_last_one_is_kept(page, site, key):  # noqa: F811
    code = "await Promise.all([session.start('ada'), session.start('bob')]); return session.read();"
    assert page(code, site.url, key, cookie=False)["userId"] == "bob"
    assert TrackingSession.objects.count() == 2


def test_a_start_that_failed_is_not_shared_with_the_next(page, wire):
    wire.answers += [(502, {}, HTML), (200, {}, STARTED)]
    code = "await session.start().catch(() => {}); return session.start();"
    assert page(code, wire.url) == {"sessionId": "1"}


@pytest.mark.parametrize("call", ["start(null, {signal})", "read({signal})", "end({signal})"])
def test_a_call_that_is_aborted_says_so(page, wire, call):
    wire.answers += [(None, {}, "")]
    code = f"""
        const abort = new AbortController(), {{ signal }} = abort;
        setTimeout(() => abort.abort(), 50);
        try {{ await session.{call} }} catch (error) {{ return [told(error), error.cause.name] }}
    """
    assert page(code, wire.url) == [error(0), "AbortError"]


def test_a_start_that_was_aborted_is_not_shared_with_the_next(page, wire):
    """As a page does that is taken down and put up again at once."""
    wire.answers += [(None, {}, ""), (200, {}, STARTED)]
    code = """
        const abort = new AbortController();
        const first = session.start("ada", { signal: abort.signal }).catch(told);
        await new Promise((done) => setTimeout(done, 100));
        abort.abort();
        return [await session.start("ada"), await first];
    """
    assert page(code, wire.url) == [{"sessionId": "1"}, error(0)]


def test_an_end_waits_for_the_start_before_it(page, site, key):  # noqa: F811
    page("session.start(); await session.end();", site.url, key, cookie=False)
    assert TrackingSession.objects.get().ended_at is not None


@pytest.mark.parametrize(
    "before", ["await session.start(); session.end();", "session.start(); session.end();"]
)
def test_a_start_waits_for_the_end_before_it(before, page, site, key):  # noqa: F811
    code = f"{before} const started = await session.start(); return [started, await session.read()];"
    started, read = page(code, site.url, key, cookie=False)
    assert started == read
    assert TrackingSession.objects.filter(end=None).count() == 1


LEFT = """
    await session.start();
    addEventListener("pagehide", () => session.end().catch(() => {}));
"""


@pytest.fixture
def elsewhere(site, settings, setting):  # noqa: F811
    """The API by a name that is another site to a browser, which asks before each call whether it may."""
    settings.CORS_ALLOWED_ORIGINS = [site.url]
    settings.CORS_URLS_REGEX = "/playouts/"
    settings.CORS_PREFLIGHT_MAX_AGE = 0
    setting(COOKIE_SAMESITE="None")
    return site.url.replace("localhost", "127.0.0.1")


def ended():
    return TrackingSession.objects.get().ended_at is not None


@pytest.mark.parametrize("leave", ["location = '/'", "location.reload()"])
def test_a_session_ends_when_its_page_is_left(page, site, key, chromium, leave):  # noqa: F811
    page(LEFT, site.url, key)
    chromium.execute_script(leave)
    until(ended)


def test_a_session_on_another_site_ends_when_its_page_is_left(page, elsewhere, key, chromium):  # noqa: F811
    page(LEFT, elsewhere, key)
    chromium.execute_script("location = '/'")
    until(ended)


def test_an_end_outlives_its_page_though_it_waits_for_a_preflight(page, wire, chromium):  # noqa: F811
    wire.answers += [(200, {"X-JAY-TRACKING": TOKEN}, STARTED), (200, {}, STARTED)]
    page(LEFT, wire.url)
    wire.may_end.clear()
    chromium.refresh()  # a page that is only left may be kept for a while, and its requests with it
    wire.may_end.set()
    until(lambda: wire.asked == [("POST", None), ("DELETE", TOKEN)])


def test_a_session_ends_when_its_tab_is_closed(page, site, elsewhere, key, chromium):  # noqa: F811
    first = chromium.current_window_handle
    chromium.switch_to.new_window("tab")
    try:
        chromium.get(f"{site.url}/player/")
        page(LEFT, elsewhere, key)
        chromium.close()
    finally:
        chromium.switch_to.window(first)
    until(ended)


def test_a_page_that_is_come_back_to_starts_anew(page, site, key, chromium):  # noqa: F811
    again = 'addEventListener("pageshow", (event) => event.persisted && session.start());'
    page(LEFT + again + "window.isThis = true;", site.url, key)
    chromium.get(f"{site.url}/")
    until(ended)
    chromium.back()
    assert chromium.execute_script("return window.isThis") is True, "the browser kept no page to come back to"
    until(lambda: page("return session.read();", site.url, key) is not None)
    assert TrackingSession.objects.count() == 2


def test_the_example_site_lets_a_page_read_what_the_module_reads():
    exposed = {name.lower() for name in example_site.CORS_EXPOSE_HEADERS}
    assert {"x-jay-tracking", "retry-after"} <= exposed
