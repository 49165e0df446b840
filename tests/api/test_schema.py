"""The OpenAPI document, against the contract as it is written out here."""

import json
import os
import subprocess
import sys

import jsonschema
import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.core.management import call_command
from django.test import Client, RequestFactory
from drf_spectacular.settings import patched_settings
from drf_spectacular.validation import validate_schema

from ..conftest import COOKIE, EXAMPLE_TOKEN
from ..support.servers import ROOT

TRACKING, ZEPHR = "/playouts/{playout_id}/tracking/session", "/v3/sessions/{id}"
POST, GET, DELETE = (TRACKING, "post"), (TRACKING, "get"), (TRACKING, "delete")
PROXY = (ZEPHR, "get")
LIST = ("/playouts/{playout_id}/tracking/sessions", "get")
STATISTICS = ("/playouts/{playout_id}/tracking/statistics", "get")
OPERATIONS = [POST, GET, DELETE, LIST, STATISTICS, PROXY]

PARAMETERS = {
    POST: {
        ("path", "playout_id"),
        ("query", "user_id"),
        ("header", "X-JAY-TRACKING"),
        ("header", "X-API-Version"),
    },
    GET: {
        ("path", "playout_id"),
        ("header", "X-JAY-TRACKING"),
        ("header", "X-API-Version"),
        ("cookie", COOKIE),
    },
    DELETE: {
        ("path", "playout_id"),
        ("header", "X-JAY-TRACKING"),
        ("header", "X-API-Version"),
        ("cookie", COOKIE),
    },
    LIST: {
        ("path", "playout_id"),
        ("header", "X-API-Version"),
        *(("query", name) for name in ("user_id", "provider", "active", "started_after", "started_before")),
        ("query", "limit"),
        ("query", "next_token"),
    },
    STATISTICS: {
        ("path", "playout_id"),
        ("header", "X-API-Version"),
        *(("query", name) for name in ("from", "to", "interval", "tz")),
    },
    PROXY: {("path", "id")},
}

# Status, error.code and error.details, None for the list of problems.
SHARED = [
    (401, 401, "API_KEY_MISSING"),
    (401, 401, "API_KEY_INVALID"),
    (403, 403, "SCOPE_REQUIRED"),
    (429, 503, "RATE_LIMITED"),
    (405, 405, "METHOD_NOT_ALLOWED"),
    (500, 503, "INTERNAL_ERROR"),
    (503, 503, "STORE_UNAVAILABLE"),
]
UNDER_A_PLAYOUT = [*SHARED, (403, 403, "PLAYOUT_FORBIDDEN"), (406, 406, "UNSUPPORTED_VERSION")]
ERRORS = {
    POST: [*UNDER_A_PLAYOUT, (415, 406, "UNSUPPORTED_MEDIA_TYPE"), (413, 400, "BODY_TOO_LARGE")],
    GET: [*UNDER_A_PLAYOUT, (422, 422, None), (400, 1001, "TRACKING_NOT_VALID")],
    DELETE: [*UNDER_A_PLAYOUT, (422, 422, None)],
    LIST: [*UNDER_A_PLAYOUT, (422, 422, None)],
    STATISTICS: [*UNDER_A_PLAYOUT, (422, 422, None)],
    PROXY: [
        *SHARED,
        (422, 422, None),
        (404, 404, "ZEPHR_SESSION_NOT_FOUND"),
        (501, 501, "ZEPHR_NOT_CONFIGURED"),
        (502, 503, "ZEPHR_CREDENTIALS_REJECTED"),
        (502, 503, "ZEPHR_UNAVAILABLE"),
        (502, 503, "ZEPHR_BAD_RESPONSE"),
        (503, 503, "ZEPHR_UNAVAILABLE"),
        (503, 503, "ZEPHR_THROTTLED"),
        (504, 503, "ZEPHR_TIMEOUT"),
    ],
}

ERROR_CODES = (
    "1001, 1002, 1003, 1004, 1005, 1006, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 2001, 2002, "
    "2003, 2004, 2005, 2006, 2008, 2012, 2013, 2014, 2015, 2016, 2017, 2018, 2019, 2020, 2021, 2022, "
    "2023, 2024, 2025, 3000, 3001, 3002, 3003, 3004, 3005, 3006, 3007, 4001, 4002, 5001, 5002, 5003, "
    "5004, 200, 201, 202, 204, 400, 401, 403, 404, 405, 406, 422, 423, 501, 503"
)

# The fields of a 200 as the reference pages have them: type, and the example where they give one.
SESSION = {
    "data": ("object", None),
    "data.sessionId": ("string", "550e8400-e29b-41d4-a716-446655440000"),
    "data.startTime": ("string", "2023-01-15T14:30:24.123456"),
    "data.source": ("string", "jay.api.playout.1.0.0"),
    "data.userId": ("string", "user-123456"),
    "data.providerName": ("string", "netflix"),
    "nextToken": ("string", None),
    "error": ("object", None),
    "error.code": ("integer", None),
    "error.message": ("string", None),
    "error.details": (None, None),
}
REQUIRED_OF_SESSION = {
    "data",
    "data.sessionId",
    "data.startTime",
    "data.source",
    "error.code",
    "error.message",
}
ZEPHR_SESSION = {
    "tenantId": ("string", "company"),
    "subTenantId": ("string", "company|demo"),
    "authenticated": ("boolean", True),
    "v": ("integer", None),
    "session_variables": ("object", None),
    "user_id": ("string", "UU0123456789ABCD"),
    "sessions": ("array", None),
    "sessions.supplied": ("boolean", None),
    "sessions.expiryDate": ("string", "2025-02-08 14:29 PM UTC"),
    "sessions.startDate": ("string", "2024-02-08 14:29 PM UTC"),
    "sessions.state": ("string", "authenticated"),
    "sessions.device": ("string", "pc"),
    "sessions.browser": ("string", "Chrome"),
    "sessions.os": ("string", "Mac OSX"),
    "sessions.city": ("string", "London"),
    "sessions.geoState": ("string", "London"),
    "sessions.deviceName": ("string", "Apple Macintosh"),
    "sessions.country": ("string", "GB"),
    "sessions.session_id": ("string", "26a73b7a-f7d0-48d8-85dd-a04b07313895"),
    "access_model": ("object", None),
    "access_model.meters": ("object", None),
    "access_model.credits": ("object", None),
    "access_model.delivered_entitlements": ("array", None),
    "access_model.delivered_entitlements.id": ("string", "0123456789ABCD"),
    "access_model.delivered_entitlements.direct": ("boolean", True),
    "access_model.delivered_entitlements.meteredBy": ("array", []),
    "access_model.delivered_entitlements.creditedBy": ("array", []),
    "access_model.granted_bundles": ("array", ["e10a5ff3-fc63-47fb-af04-75c2ec3fdf1c"]),
    "access_model.jwt_bundles": ("array", []),
    "access_model.user_state": ("string", "registered"),
    "last_updated": ("integer", 1707230240685),
    "test_groups": ("object", None),
    "second_party_data": ("object", None),
}


@pytest.fixture(scope="module")
def document():
    response = Client().get("/schema/", headers={"accept": "application/vnd.oai.openapi+json"})
    assert response.status_code == 200
    return json.loads(response.content)


def answer(document, operation, status):
    path, method = operation
    return document["paths"][path][method]["responses"][str(status)]


def body_schema(document, operation, status):
    content = answer(document, operation, status)["content"]
    assert list(content) == ["application/json"]
    return content["application/json"]["schema"]


def is_valid(document, schema, value) -> bool:
    # The references lead into the document's components, so these go along.
    whole = {**schema, "components": document["components"]}
    if document["openapi"].startswith("3.1"):
        return jsonschema.Draft202012Validator(whole).is_valid(value)
    return jsonschema.Draft7Validator(in_json_schema(whole)).is_valid(value)


def in_json_schema(schema):
    """OpenAPI 3.0's `nullable` in the words of JSON Schema."""
    if isinstance(schema, list):
        return [in_json_schema(inner) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    new = {name: in_json_schema(inner) for name, inner in schema.items()}
    return {**new, "type": [new["type"], "null"]} if new.get("nullable") is True else new


def resolved(document, schema):
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def fields(document, schema, above=""):
    """Every field below a schema, by its dotted name: type and example; and the names of the required."""
    schema = resolved(document, schema)
    schema = resolved(document, schema["items"]) if schema.get("type") == "array" else schema
    found, required = {}, {f"{above}{name}" for name in schema.get("required", ())}
    for name, inner in schema.get("properties", {}).items():
        inner_schema = resolved(document, inner)
        example = None if inner_schema.get("properties") else inner_schema.get("example")
        found[f"{above}{name}"] = (inner_schema.get("type"), example)
        deeper, required_below = fields(document, inner, f"{above}{name}.")
        found |= deeper
        required |= required_below
    return found, required


def test_the_document_is_valid_openapi_made_without_a_warning(document, tmp_path):
    validate_schema(document)
    call_command("spectacular", validate=True, fail_on_warn=True, file=str(tmp_path / "schema.yaml"))


def test_it_has_these_operations_and_no_others(document):
    paths = document["paths"]
    assert {(path, method) for path in paths for method in paths[path]} == set(OPERATIONS)


@pytest.mark.parametrize("operation", OPERATIONS, ids=" ".join)
def test_the_parameters(document, operation):
    path, method = operation
    parameters = document["paths"][path][method]["parameters"]
    assert {(parameter["in"], parameter["name"]) for parameter in parameters} == PARAMETERS[operation]
    types = {parameter["name"]: parameter["schema"]["type"] for parameter in parameters}
    assert types.pop("limit", "integer") == "integer"
    assert set(types.values()) == {"string"}
    assert [p["name"] for p in parameters if p.get("required")] == [path.split("{")[1].split("}")[0]]
    by_name = {parameter["name"]: parameter for parameter in parameters}
    if path != ZEPHR:
        assert by_name["X-API-Version"]["schema"]["enum"] == ["2025-08-04", "2025-08-27", "2025-09-02"]
    if path == TRACKING:
        assert by_name["X-JAY-TRACKING"]["example"] == EXAMPLE_TOKEN


def test_every_operation_needs_the_api_key(document):
    (name, scheme), *others = document["components"]["securitySchemes"].items()
    assert (scheme["type"], scheme["in"], scheme["name"], others) == ("apiKey", "header", "X-API-Key", [])
    for path, method in OPERATIONS:
        assert document["paths"][path][method]["security"] == [{name: []}]


def test_only_post_takes_a_body_and_can_do_without(document):
    for path, method in OPERATIONS:
        assert ("requestBody" in document["paths"][path][method]) == ((path, method) == POST)
    body = document["paths"][TRACKING]["post"]["requestBody"]
    assert not body.get("required", False)
    types = {"application/json", "application/x-www-form-urlencoded", "multipart/form-data"}
    assert set(body["content"]) == types
    for content in body["content"].values():
        assert fields(document, content["schema"]) == ({"user_id": ("string", "user-123456")}, set())
        for value, good in [
            ("ä" * 255, True),
            ("ä" * 256, False),
            ("a\nb", False),
            ("a\x9f", False),
            (1, False),
        ]:
            assert is_valid(document, content["schema"], {"user_id": value}) is good


@pytest.mark.parametrize("operation", OPERATIONS, ids=" ".join)
def test_the_statuses(document, operation):
    path, method = operation
    statuses = {200, *(status for status, _, _ in ERRORS[operation]), *({422} if operation == POST else ())}
    assert set(document["paths"][path][method]["responses"]) == {str(status) for status in statuses}


@pytest.mark.parametrize("operation", OPERATIONS, ids=" ".join)
def test_every_error_of_the_contract_is_one_of_the_document_and_its_neighbours_are_not(document, operation):
    for status, code, details in ERRORS[operation]:
        schema = body_schema(document, operation, status)
        problems = [{"loc": ["query", "user_id"], "msg": "Too long.", "type": "string_too_long"}]
        error = {"code": code, "message": "No.", "details": details or problems}
        assert is_valid(document, schema, {"error": error})
        assert not is_valid(document, schema, {"error": {**error, "code": 1014}})
        assert not is_valid(document, schema, {"error": {**error, "details": "SOMETHING_ELSE"}})
        for name in error:
            assert not is_valid(document, schema, {"error": {k: v for k, v in error.items() if k != name}})
        assert not is_valid(document, schema, {})


def test_the_422_of_post_has_its_own_shape(document):
    schema = body_schema(document, POST, 422)
    assert fields(document, schema) == (
        {
            "detail": ("array", None),
            "detail.loc": ("array", ["query", "user_id"]),
            "detail.msg": ("string", None),
            "detail.type": ("string", "string_too_long"),
        },
        {"detail", "detail.loc", "detail.msg", "detail.type"},
    )


@pytest.mark.parametrize("operation", OPERATIONS, ids=" ".join)
def test_the_headers_of_the_answers(document, operation):
    path, method = operation
    extra = {
        (POST, "200"): {"X-JAY-TRACKING", "Set-Cookie"},
        (DELETE, "200"): {"Set-Cookie"},
        (PROXY, "200"): {"Age", "Cache-Status"},
        (operation, "401"): {"WWW-Authenticate"},
        (operation, "405"): {"Allow"},
        (operation, "429"): {"Retry-After"},
        (operation, "503"): {"Retry-After"},
    }
    always = {"Cache-Control"} if path == ZEPHR else {"Cache-Control", "X-API-Version"}
    for status, response in document["paths"][path][method]["responses"].items():
        assert set(response["headers"]) == always | extra.get((operation, status), set()), status
        optional = {name for name, header in response["headers"].items() if not header.get("required")}
        assert optional == ({"Age", "Cache-Status"} if (operation, status) == (PROXY, "200") else set())


def test_the_error_codes_are_those_that_the_reference_enumerates(document):
    codes = document["components"]["schemas"]["JayErrorCode"]["enum"]
    assert codes == [int(code) for code in ERROR_CODES.split(", ")]


@pytest.mark.parametrize("operation", [POST, GET], ids=" ".join)
def test_a_session_has_the_fields_of_the_reference(document, operation):
    found, required = fields(document, body_schema(document, operation, 200))
    found["error.code"] = (found["error.code"][0], None)
    assert found == SESSION
    assert required == REQUIRED_OF_SESSION


def test_what_delete_answers_is_a_message(document):
    found, required = fields(document, body_schema(document, DELETE, 200))
    assert found["data.message"] == ("string", None)
    assert {"data", "data.message"} <= required


def test_a_listed_session_has_the_fields_of_a_session_and_two_more(document):
    found, required = fields(document, body_schema(document, LIST, 200))
    found["error.code"] = (found["error.code"][0], None)
    more = {"data.playoutId": ("string", "netflix-de:s01e01"), "data.endedAt": ("string", None)}
    assert found == {**SESSION, **more, "data": ("array", None)}
    assert required == {*REQUIRED_OF_SESSION, "data.playoutId"}
    limit = next(p for p in document["paths"][LIST[0]]["get"]["parameters"] if p["name"] == "limit")
    assert (limit["schema"]["minimum"], limit["schema"]["maximum"], limit["schema"]["default"]) == (
        1,
        1000,
        100,
    )


def test_the_statistics_have_three_fields(document):
    found, required = fields(document, body_schema(document, STATISTICS, 200))
    names = {"data.start": "string", "data.sessions": "integer", "data.users": "integer"}
    assert {name: found[name][0] for name in names} == names
    assert {"data", *names} <= required
    interval = next(
        p for p in document["paths"][STATISTICS[0]]["get"]["parameters"] if p["name"] == "interval"
    )
    assert (set(interval["schema"]["enum"]), interval["schema"]["default"]) == ({"day", "hour"}, "day")


def test_a_zephr_session_has_the_fields_of_the_reference_and_may_have_more(document):
    schema = body_schema(document, PROXY, 200)
    assert fields(document, schema) == (ZEPHR_SESSION, set())
    assert is_valid(document, schema, {"sessions": [{"state": "recognised", "new": 1}], "new": {}})


def zephr_objects(document):
    """All of Zephr's objects by a place in the answer, each as its resolved schema."""
    schemas = document["components"]["schemas"]
    return {name: schema for name, schema in schemas.items() if name.startswith("Zephr")}


def test_of_what_zephr_sends_nothing_is_closed(document):
    found = zephr_objects(document)
    assert set(found) == {"ZephrSession", "ZephrDeviceSession", "ZephrAccessModel", "ZephrEntitlement"}
    for name, schema in found.items():
        assert schema["additionalProperties"] is True, name
        assert "required" not in schema
        for member, inner in schema["properties"].items():
            own = resolved(document, inner)
            assert own["nullable"] is True, (name, member)
            assert "enum" not in own, (name, member)
            if own["type"] == "object":
                assert own["additionalProperties"] is True, (name, member)
            if own["type"] == "array" and "$ref" in own["items"]:
                assert resolved(document, own["items"])["nullable"] is True
    state = found["ZephrDeviceSession"]["properties"]["state"]
    assert (state["type"], state["example"]) == ("string", "authenticated")
    for known in ("anonymous", "recognised", "partially_registered", "authenticated"):
        assert known in state["description"]


# What Zephr may send tomorrow: null in every place, a state that is new, members that are new.
TOMORROW = [
    {name.partition(".")[0]: None for name in ZEPHR_SESSION},
    {
        "sessions": [
            None,
            {name.partition(".")[2]: None for name in ZEPHR_SESSION if name.startswith("sessions.")},
        ]
    },
    {"sessions": [{"state": "dormant"}]},
    {"access_model": {"delivered_entitlements": [None, {"id": None, "direct": None, "meteredBy": None}]}},
    {"access_model": {"meters": None, "granted_bundles": None, "user_state": "gone"}},
    {"session_variables": {"any": [1, None]}, "new": {"deep": []}},
]


@pytest.mark.parametrize("version", ["3.0.3", "3.1.0"])
def test_what_zephr_may_send_tomorrow_conforms(version):
    with patched_settings({"OAS_VERSION": version}):
        document = json.loads(Client().get("/schema/?format=json").content)
    assert document["openapi"] == version
    validate_schema(document)
    schema = body_schema(document, PROXY, 200)
    for session in TOMORROW:
        assert is_valid(document, schema, session), session
    assert not is_valid(document, schema, {"sessions": "none"})
    assert not is_valid(document, schema, None)
    assert ("nullable" in json.dumps(document)) is (version == "3.0.3")


@pytest.mark.usefixtures("connections_stay_open")
@pytest.mark.parametrize(
    ("prefix", "expected"),
    [("", [{"url": "/"}]), ("/site", [{"url": "/site"}]), ("/a/b/", [{"url": "/a/b"}])],
)
def test_the_paths_begin_where_the_site_is_served(prefix, expected):
    # As a web server asks; Django's own test client knows no prefix.
    environ = RequestFactory().get("/schema/?format=json", SCRIPT_NAME=prefix).environ
    body = b"".join(WSGIHandler()(environ, lambda status, headers: None))
    assert json.loads(body)["servers"] == expected


def test_servers_of_the_site_stay():
    with patched_settings({"SERVERS": [{"url": "https://api.example.com"}]}):
        document = json.loads(Client().get("/schema/?format=json").content)
    assert document["servers"] == [{"url": "https://api.example.com"}]


def test_every_example_conforms_to_its_schema(document):
    count = 0
    for path, method in OPERATIONS:
        for status in document["paths"][path][method]["responses"]:
            content = answer(document, (path, method), status)["content"]["application/json"]
            for example in content.get("examples", {}).values():
                assert is_valid(document, content["schema"], example["value"])
                count += 1
    assert count > len(ERRORS[PROXY])


def test_anybody_may_read_it_and_the_front_page_says_where():
    response = Client().get("/schema/", headers={"authorization": "Basic nonsense"})
    assert response.status_code == 200
    assert response["content-type"].startswith("application/vnd.oai.openapi")
    assert 'href="/schema/"' in Client().get("/").content.decode()


WITHOUT_SPECTACULAR = """
import sys

sys.modules["drf_spectacular"] = None  # an import of it raises ImportError

import django
from django.conf import settings

settings.configure(
    SECRET_KEY="x" * 50,
    ALLOWED_HOSTS=["testserver"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    INSTALLED_APPS=["jay_sessions"],
    ROOT_URLCONF="jay_sessions.urls",
)
django.setup()

import jay_sessions.urls
from django.core.management import call_command
from django.test import Client

call_command("check")
for slash in ("", "/"):
    response = Client().get(f"/playouts/x/tracking/session{slash}")
    assert response.json()["error"]["details"] == "API_KEY_MISSING", response.content
assert "jay_sessions.api.schema.extensions" not in sys.modules
"""


def test_the_app_does_without_drf_spectacular():
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    command = [sys.executable, "-W", "error", "-c", WITHOUT_SPECTACULAR]
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
