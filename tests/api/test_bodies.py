"""What clients send: the bodies of POST in all their forms, and noise."""

import base64
import io
import json
from urllib.parse import quote_from_bytes

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from jay_sessions.models import TrackingSession

from ..conftest import COOKIE, EXAMPLE_TOKEN, PATH, error_of
from .test_post import problems_of

pytestmark = pytest.mark.django_db

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
MULTIPART = 'multipart/form-data; boundary="frontier"'
LIMIT = 65_536


def post(client, body, content_type=JSON, **extra):
    return client.generic("POST", PATH, body, content_type, **extra)


def part(value: bytes, headers: bytes = b'Content-Disposition: form-data; name="user_id"') -> bytes:
    return b"--frontier\r\n" + headers + b"\r\n\r\n" + value + b"\r\n"


def multipart(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--frontier--\r\n"


def user_of(response):
    assert response.status_code == 200, response.content
    user_id = response.json()["data"].get("userId")
    assert TrackingSession.objects.get().user_id == user_id
    return user_id


@pytest.mark.parametrize(
    ("body", "user_id"),
    [
        (b'{"user_id": "user-1"}', "user-1"),
        (b' {"user_id": " \\u00a0user-1\\n"} ', "user-1"),
        ('{"user_id": "😀"}'.encode(), "😀"),
        (b'{"user_id": "\\ud83d\\ude00"}', "😀"),
        (b'{"user_id": "a", "user_id": "b"}', "b"),
        (b'{"user_id": 5, "user_id": "b"}', "b"),
        (b'{"more": [1, {"user_id": 5}], "user_id": "a"}', "a"),
        (b'{"user_id": null}', None),
        (b'{"user_id": ""}', None),
        (b'{"user_id": " \\t\\u0085"}', None),
        (b"{}", None),
        (b'{"userId": "a", "USER_ID": "b"}', None),
        (b'{"user_id": "' + b"a" * 255 + b'"}', "a" * 255),
        (b'{"user_id": "NULL"}', "NULL"),
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_a_user_id_is_taken_from_json(api, body, user_id):
    assert user_of(post(api, body)) == user_id


@pytest.mark.parametrize(
    ("body", "loc", "kind"),
    [
        *(
            (b'{"user_id": ' + value + b"}", ["body", "user_id"], "string_type")
            for value in (b"5", b"5.5", b"true", b"false", b"[]", b'["a"]', b"{}", b"-0", b"1e999")
        ),
        (b'{"user_id": "' + b"a" * 256 + b'"}', ["body", "user_id"], "string_too_long"),
        (b'{"user_id": "\\u0000"}', ["body", "user_id"], "string_control_character"),
        (b'{"user_id": "a\\nb"}', ["body", "user_id"], "string_control_character"),
        ('{"user_id": "a\x9fb"}'.encode(), ["body", "user_id"], "string_control_character"),
        (b'{"user_id": "\\ud800"}', ["body", "user_id"], "string_unicode"),
        (b'{"user_id": "\\ude00\\ud83d"}', ["body", "user_id"], "string_unicode"),
        *(
            (body, ["body"], None)
            for body in (
                *(b"{", b"}", b" ", b"user_id=a", b'{"user_id": "a"', b'{"user_id": "a",}', b"{} {}"),
                *(b"{'user_id': 'a'}", b'{user_id: "a"}', b'{"user_id": "a\nb"}', b'{"user_id": "\\x"}'),
                *(b'{"user_id": NaN}', b'{"user_id": "a", "x": Infinity}', b'{"x": -Infinity}', b"\0"),
                *(b'{"user_id": "\xff"}', b'{"user_id": "\xed\xa0\x80"}', b'\xff\xfe{"user_id": "a"}'),
                *('{"user_id": "a"}'.encode("utf-16"), b'\xef\xbb\xbf{"user_id": "a"}', b"\xff"),
                *(b"[]", b"null", b"true", b"5", b'"user_id"', b'[{"user_id": "a"}]', b"NaN"),
                *(b"[" * 60_000, b'{"a":' * 13_000, b"9" * 60_000, b"[" * 30_000 + b"]" * 30_000),
            )
        ),
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_json_that_cannot_be_is_named(api, body, loc, kind):
    ((place, named),) = problems_of(post(api, body))
    assert place == loc
    assert kind in (None, named)
    assert not TrackingSession.objects.exists()


@pytest.mark.parametrize(
    "rest",
    [b"[" * 30_000 + b"]" * 30_000, b'{"":' * 9_000 + b"1" + b"}" * 9_000, b"9" * 60_000, b"1e99999"],
    ids=["deep_lists", "deep_objects", "huge_number", "endless_number"],
)
def test_json_that_is_right_but_absurd_does_no_harm(api, rest):
    response = post(api, b'{"user_id": "a", "more": ' + rest + b"}")
    if response.status_code == 200:
        assert user_of(response) == "a"
    else:
        assert [loc for loc, _ in problems_of(response)] == [["body"]]


@pytest.mark.parametrize(
    ("body", "user_id"),
    [
        (b"user_id=user-1", "user-1"),
        (b"user_id=+a%2Bb+", "a+b"),
        (b"user_id=%F0%9F%98%80", "😀"),
        ("user_id=ü".encode(), "ü"),
        (b"user_id=a&user_id=b", "b"),
        (b"user_id=%00&user_id=b", "b"),
        (b"user%5Fid=a", "a"),
        (b"user_id=", None),
        (b"user_id=%0A%20", None),
        (b"user_id", None),
        (b"x=1", None),
        (b"&&&", None),
        (b"%", None),
        (b"x=%FF&user_id=a", "a"),
        (b"&".join(b"p%d=" % number for number in range(3000)) + b"&user_id=a", "a"),
    ],
    ids=lambda value: ascii(value)[:30],
)
def test_a_user_id_is_taken_from_a_form(api, body, user_id):
    assert user_of(post(api, body, FORM)) == user_id


FIELDS = [
    (multipart(part(b"user-1")), "user-1"),
    (multipart(part(b" a\r\n")), "a"),
    (multipart(part("😀".encode())), "😀"),
    (multipart(part(b"a"), part(b"b")), "b"),
    (multipart(part(b"")), None),
    (multipart(part(b" \t")), None),
    (multipart(), None),
    (multipart(part(b"a", b'Content-Disposition: form-data; name="other"')), None),
    (multipart(part(b"f", b'Content-Disposition: form-data; name="f"; filename="f"'), part(b"a")), "a"),
    (
        multipart(part(b"a", b'content-disposition: form-data; name="user_id"\r\nContent-Type: text/plain')),
        "a",
    ),
]


@pytest.mark.parametrize(("body", "user_id"), FIELDS, ids=[str(number) for number in range(len(FIELDS))])
def test_a_user_id_is_taken_from_a_multipart_form(api, body, user_id):
    assert user_of(post(api, body, MULTIPART)) == user_id


BAD_TEXTS = {
    "string_too_long": b"a" * 256,
    "string_control_character": b"a\0b",
    "string_unicode": b"a\xff",
}


@pytest.mark.parametrize("kind", BAD_TEXTS)
def test_a_bad_user_id_in_a_form_is_named(api, kind):
    text = BAD_TEXTS[kind]
    for body, content_type in (
        (b"user_id=" + text, FORM),
        (b"user_id=" + quote_from_bytes(text).encode(), FORM),
        (b"user_id=a&user_id=" + text, FORM),
        (multipart(part(text)), MULTIPART),
        (multipart(part(b"a"), part(text)), MULTIPART),
    ):
        assert problems_of(post(api, body, content_type)) == [(["body", "user_id"], kind)]
    assert not TrackingSession.objects.exists()


@pytest.mark.parametrize("value", [b"a", b"", b"\xff" * 999], ids=["text", "empty", "bytes"])
def test_a_file_is_no_user_id(api, value):
    upload = part(value, b'Content-Disposition: form-data; name="user_id"; filename="a.txt"')
    for body in (multipart(upload), multipart(part(b"a"), upload), multipart(upload, part(b"a"))):
        ((loc, _),) = problems_of(post(api, body, MULTIPART))
        assert loc == ["body", "user_id"]


def test_a_form_as_django_and_browsers_write_it_is_read(api):
    assert user_of(api.post(PATH, {"user_id": "ü😀", "more": ["a", "b"]})) == "ü😀"


@pytest.mark.parametrize(
    "content_type",
    ["multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=ü"],
    ids=["none", "empty", "umlaut"],
)
def test_a_multipart_form_without_a_boundary_is_named(api, content_type):
    content_type = content_type.encode().decode("latin-1")
    ((loc, _),) = problems_of(post(api, multipart(part(b"a")), content_type))
    assert loc == ["body"]


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b'{"user_id": "a"}', "application/json; charset=utf-8"),
        (b'{"user_id": "a"}', "Application/JSON"),
        (b'{"user_id": "a"}', "application/json;charset=latin-1"),
        (b'{"user_id": "a"}', " application/json "),
        (b"user_id=a", "application/x-www-form-urlencoded; charset=UTF-8"),
        (b"user_id=a", "APPLICATION/X-WWW-FORM-URLENCODED"),
        (multipart(part(b"a")), "multipart/form-data; charset=utf-8; boundary=frontier"),
        (multipart(part(b"a")), "Multipart/Form-Data; boundary=frontier"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_type_may_have_parameters_and_any_case(api, body, content_type):
    assert user_of(post(api, body, content_type)) == "a"


@pytest.mark.parametrize(
    "content_type",
    [
        *("", " ", "text/plain", "text/json", "application/xml", "application/vnd.api+json", "json"),
        *("application/octet-stream", "multipart/mixed; boundary=frontier", "application/jsonx", "/", ";"),
        *("*/*", "application/*", "*/json", "multipart/*; boundary=frontier", "x" * 3000, "ü"),
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_a_body_of_another_type_or_of_none_is_not_read(api, content_type):
    response = post(api, b'{"user_id": "a"}', content_type)
    assert error_of(response) == (415, 406, "UNSUPPORTED_MEDIA_TYPE")
    assert not TrackingSession.objects.exists()


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "parameter",
    ["x*=no-such''%41", "x=" + "y" * 20_000, "charset*=utf-8''%00", "x*0=a; x*=c", "charset=nonsense"],
    ids=["charset", "long", "nul", "continuations", "unknown"],
)
def test_a_type_whose_parameters_are_broken_is_no_fault_of_ours(api, method, parameter):
    response = api.generic(
        method, PATH, b"{}", f"application/json; {parameter}", headers={"X-JAY-TRACKING": EXAMPLE_TOKEN}
    )
    assert response.status_code in ({200, 415, 422} if method == "POST" else {200})


@pytest.mark.parametrize(
    "content_type", [None, "", JSON, FORM, MULTIPART, "text/plain", "*/*", "ü"], ids=ascii
)
def test_an_empty_body_needs_no_type_and_may_have_any(api, content_type):
    extra = {} if content_type is None else {"CONTENT_TYPE": content_type, "CONTENT_LENGTH": "0"}
    assert user_of(api.generic("POST", PATH, **extra)) is None


MORE = b'Content-Disposition: form-data; name="more"'


def padded(size: int, content_type: str) -> bytes:
    """A body of exactly `size` bytes with the user id at its end."""
    begin, end = {
        JSON: (b'{"more": "', b'", "user_id": "a"}'),
        FORM: (b"more=", b"&user_id=a"),
        MULTIPART: (part(b"", MORE)[:-2], b"\r\n" + multipart(part(b"a"))),
    }[content_type]
    return begin + b"x" * (size - len(begin) - len(end)) + end


def chunked(body: bytes) -> dict[str, object]:
    """What a server makes of a body that came in chunks, without a length."""
    return {
        "wsgi.input": io.BytesIO(body),
        "wsgi.input_terminated": True,
        "CONTENT_LENGTH": "",
        "HTTP_TRANSFER_ENCODING": "chunked",
    }


@pytest.mark.parametrize("how", ["with_length", "chunked"])
@pytest.mark.parametrize("content_type", [JSON, FORM, MULTIPART], ids=["json", "form", "multipart"])
def test_64_kib_are_read_and_not_a_byte_more(api, content_type, how):
    def send(size):
        body = padded(size, content_type)
        assert len(body) == size
        return post(api, body, content_type, **(chunked(body) if how == "chunked" else {}))

    assert user_of(send(LIMIT)) == "a"
    for size in (LIMIT + 1, 10 * LIMIT):
        assert error_of(send(size)) == (413, 400, "BODY_TOO_LARGE")
    assert TrackingSession.objects.count() == 1


def test_a_malformed_body_that_is_too_large_is_too_large(api):
    assert error_of(post(api, b"{" * (LIMIT + 1))) == (413, 400, "BODY_TOO_LARGE")
    assert [loc for loc, _ in problems_of(post(api, b"{" * LIMIT))] == [["body"]]


def test_an_empty_chunked_body_is_an_empty_body(api):
    response = api.generic("POST", PATH, CONTENT_TYPE="", **chunked(b""))
    assert user_of(response) is None


def test_a_chunked_body_of_another_type_is_not_read(api):
    response = api.generic("POST", PATH, CONTENT_TYPE="text/plain", **chunked(b"x"))
    assert error_of(response) == (415, 406, "UNSUPPORTED_MEDIA_TYPE")


def test_a_body_that_breaks_off_is_refused(api):
    response = post(api, b"x", FORM, CONTENT_LENGTH="20", **{"wsgi.input": io.BytesIO(b"user_id=a")})
    assert [loc for loc, _ in problems_of(response)] == [["body"]]
    assert not TrackingSession.objects.exists()


def read_before(request_attribute):
    """A middleware of the site's that looks at the body before the app does."""

    def middleware(get_response):
        def handle(request):
            getattr(request, request_attribute)
            return get_response(request)

        return handle

    return middleware


body_read_before = read_before("body")
form_read_before = read_before("POST")


@pytest.mark.parametrize("middleware", ["body_read_before", "form_read_before"])
@pytest.mark.parametrize(
    ("body", "content_type"),
    [(b'{"user_id": "a"}', JSON), (b"user_id=a", FORM), (multipart(part(b"a")), MULTIPART)],
    ids=["json", "form", "multipart"],
)
def test_a_middleware_may_have_read_the_body_before(api, settings, middleware, body, content_type):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, f"{__name__}.{middleware}"]
    assert user_of(post(api, body, content_type)) == "a"


noise = st.binary(max_size=40) | st.text(max_size=40).map(lambda text: text.encode("utf-8", "surrogatepass"))
header_noise = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF), max_size=60)
tokens = header_noise | st.binary(max_size=90).map(lambda raw: base64.b64encode(raw).decode())
fragments = st.sampled_from(
    [
        *(
            b"--frontier",
            b"--frontier--",
            b"\r\n",
            b"\r\n\r\n",
            b'Content-Disposition: form-data; name="user_id"',
        ),
        *(b'; filename="', b"; name*=utf-8''%FF", b"; name*=no-such''%41", b"; name*=hex''%41", b'"', b";"),
        *(
            b"Content-Transfer-Encoding: base64",
            b"Content-Length: -1",
            b"Content-Type: text/plain; charset=x",
        ),
        *(b'{"user_id":', b'"a"', b"}", b"\\ud800", b"[" * 5000, b"user_id=", b"%", b"&", b"\0", b"9" * 5000),
    ]
)
bodies = st.lists(fragments | noise, max_size=14).map(b"".join)


@effort(max_examples=200)
@given(
    body=bodies, content_type=st.sampled_from([JSON, FORM, MULTIPART, "text/plain", "multipart/form-data"])
)
def test_no_body_ends_in_an_error_of_ours(api, body, content_type):
    # A fault of ours would be raised here, by the test client.
    response = post(api, body, content_type)
    assert response.status_code in {200, 413, 415, 422}
    json.loads(response.content)


@effort(max_examples=200)
@given(
    method=st.sampled_from(["GET", "HEAD", "POST", "DELETE", "OPTIONS", "PUT"]),
    playout=noise,
    rest=st.sampled_from([b"/tracking/session", b"/tracking/session/"]) | noise.map(b"/tracking/".__add__),
    query=st.lists(st.tuples(st.sampled_from([b"user_id", b"format"]) | noise, noise), max_size=3),
    token=tokens,
    cookie=tokens,
    version=st.sampled_from(["", "2025-09-02"]) | header_noise,
)
def test_no_request_ends_in_an_error_of_ours(  # noqa: PLR0917
    key, method, playout, rest, query, token, cookie, version
):
    response = Client().generic(
        method,
        f"/playouts/{quote_from_bytes(playout)}{quote_from_bytes(rest)}",
        QUERY_STRING="&".join(f"{quote_from_bytes(n)}={v.decode('latin-1')}" for n, v in query),
        HTTP_COOKIE=f"{COOKIE}={cookie}",
        headers={"X-API-Key": key, "X-JAY-TRACKING": token, "X-API-Version": version},
    )
    assert response.status_code in {200, 204, 400, 404, 405, 406, 422}
    if method not in ("HEAD", "OPTIONS") and "X-API-Version" in response:
        json.loads(response.content)
