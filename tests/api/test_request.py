"""Bodies as odd web servers and middleware hand them over."""

import io
import sys

import pytest
from django.test import Client

from ..conftest import COOKIE, EXAMPLE_TOKEN, PATH, error_of

pytestmark = pytest.mark.django_db

JSON = b'{"user_id": "ada"}'


class BrokenOff(io.BytesIO):
    def read(self, size=-1, /):
        raise RuntimeError("a web server's own exception")


def problem_of(response):
    assert response.status_code == 422
    [problem] = response.json()["detail"]
    return problem["loc"], problem["type"]


def post(api, body, **environ):
    return api.generic("POST", PATH, body, **{"CONTENT_TYPE": "application/json", **environ})


def test_a_chunked_body_under_a_server_that_does_not_decode_it_is_not_taken_for_empty(api):
    response = post(api, b"", HTTP_TRANSFER_ENCODING="chunked")
    assert problem_of(response) == (["body"], "body_unreadable")


def test_a_body_without_any_length_is_read_where_the_server_ends_it(api):
    environ = {"wsgi.input": io.BytesIO(JSON), "wsgi.input_terminated": True, "CONTENT_LENGTH": ""}
    assert post(api, b"", **environ).json()["data"]["userId"] == "ada"


def test_a_body_that_breaks_off_is_no_fault_of_ours(api):
    environ = {"wsgi.input": BrokenOff(), "wsgi.input_terminated": True}
    assert problem_of(post(api, b"", **environ)) == (["body"], "body_incomplete")


def test_a_body_that_is_shorter_than_announced_is_refused(api):
    response = post(api, JSON, **{"wsgi.input": io.BytesIO(JSON), "CONTENT_LENGTH": "50"})
    assert problem_of(response) == (["body"], "body_incomplete")


def test_a_body_that_is_announced_as_too_long_is_not_read(api):
    environ = {"wsgi.input": BrokenOff(), "CONTENT_LENGTH": "65537"}
    assert error_of(post(api, b"", **environ)) == (413, 400, "BODY_TOO_LARGE")


@pytest.mark.parametrize(
    "body", [b"garbage", b"--b\r\n", b"--b\r\nContent-Disposition: form-data", b"--c--\r\n"]
)
def test_a_form_that_does_not_end_is_not_taken_for_empty(api, body):
    response = post(api, body, CONTENT_TYPE="multipart/form-data; boundary=b")
    assert problem_of(response) == (["body"], "multipart_invalid")


@pytest.mark.parametrize("length", ["abc", "-1"])
def test_a_length_that_is_none_is_no_fault_of_ours(api, length):
    assert post(api, b"", CONTENT_LENGTH=length).status_code == 200


@pytest.mark.parametrize("attribute", ["body", "POST"])
@pytest.mark.parametrize("content_type", ["application/json", "multipart/form-data; boundary=b"])
def test_a_middleware_may_have_read_the_body(api, settings, attribute, content_type):
    settings.MIDDLEWARE = [f"tests.api.test_request.reads_{attribute}", *settings.MIDDLEWARE]
    form = b'--b\r\nContent-Disposition: form-data; name="user_id"\r\n\r\nada\r\n--b--\r\n'
    body = JSON if content_type == "application/json" else form
    response = api.generic("POST", PATH, body, content_type)
    assert response.json()["data"]["userId"] == "ada"


def reads_body(get_response):
    def middleware(request):
        assert request.body
        return get_response(request)

    return middleware


def reads_POST(get_response):
    def middleware(request):
        assert request.POST is not None
        return get_response(request)

    return middleware


@pytest.mark.parametrize(
    "header",
    [
        b"Content-Disposition: form-data; name*0=a; name*=c",
        b"Content-Disposition: form-data; name=user_id\r\nContent-Type: text/plain; x*0=a; x*=c",
        b"Content-Disposition: form-data; name*=nonsense''user_id",
    ],
)
def test_a_part_with_odd_parameters_is_no_fault_of_ours(api, header):
    body = b"--b\r\n%b\r\n\r\nada\r\n--b--\r\n" % header
    response = post(api, body, CONTENT_TYPE="multipart/form-data; boundary=b")
    assert response.status_code in (200, 422)


def test_a_content_type_without_parameters_may_be_longer_than_django_reads(api):
    assert error_of(post(api, JSON, CONTENT_TYPE="x" * 20_000))[0] == 415


def test_a_report_of_a_fault_holds_neither_key_nor_token(setting, key, caplog):
    from django.core.signals import got_request_exception
    from django.views.debug import ExceptionReporter

    setting(PROVIDER_RESOLVER="tests.api.test_request.fail")
    reports = []

    def report(sender, request, **kwargs):
        reporter = ExceptionReporter(request, *sys.exc_info())
        reports.append(reporter.get_traceback_html() + reporter.get_traceback_text())

    got_request_exception.connect(report)
    try:
        client = Client(raise_request_exception=False, headers={"X-API-Key": key})
        client.cookies[COOKIE] = EXAMPLE_TOKEN
        response = client.get(PATH, headers={"X-JAY-TRACKING": EXAMPLE_TOKEN})
    finally:
        got_request_exception.disconnect(report)
    assert error_of(response) == (500, 503, "INTERNAL_ERROR")
    [text] = reports
    assert "fail" in text
    for secret in (key, EXAMPLE_TOKEN):
        assert secret not in text + caplog.text


def fail(playout_id):
    raise RuntimeError("a fault")


def test_a_report_of_a_look_up_that_fails_does_not_hold_the_key(key):
    from django.core.signals import got_request_exception
    from django.db import ProgrammingError, connection
    from django.views.debug import ExceptionReporter

    def fail_to_look_up(execute, sql, params, many, context):
        raise ProgrammingError("a fault")

    reports = []

    def report(sender, request, **kwargs):
        reports.append(ExceptionReporter(request, *sys.exc_info()).get_traceback_html())

    got_request_exception.connect(report)
    try:
        client = Client(raise_request_exception=False, headers={"X-API-Key": key})
        with connection.execute_wrapper(fail_to_look_up):
            response = client.get(PATH)
    finally:
        got_request_exception.disconnect(report)
    assert error_of(response) == (500, 503, "INTERNAL_ERROR")
    [text] = reports
    assert "fail_to_look_up" in text
    assert key not in text
