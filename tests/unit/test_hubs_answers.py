"""What an answer means: which failures may pass, how long to wait, and what of it may be shown."""

from __future__ import annotations

import pytest

from hubferry.errors import AccessError, BusyError, HubferryError, NetworkError, NotFoundError, UsageError
from hubferry.hubs.http.addresses import host_of, origin, without_query
from hubferry.hubs.http.answers import LARGEST_LISTING, Answer, failure, retry_after, used_up
from hubferry.hubs.http.client import HubClient
from hubferry.hubs.huggingface.wire import login
from hubferry.hubs.modelscope.licenses import license_name
from hubferry.hubs.modelscope.wire import code
from hubferry.wire.exemptions import is_loopback


def client(endpoint, token="secret", **options):
    return HubClient(endpoint, token, side="source", login=login, **options)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, AccessError),
        (403, AccessError),
        (404, NotFoundError),
        (408, NetworkError),
        (429, BusyError),
        (500, NetworkError),
        (502, NetworkError),
        (503, NetworkError),
        (418, HubferryError),
    ],
)
def test_a_status_tells_whether_to_try_again(status, kind):
    error = failure(Answer(status, {}, b""), host="hub", side="source")
    assert type(error) is kind
    assert error.side == "source"
    assert str(status) in error.message


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "0.5"}, 0.5),
        ({"Retry-After": "0"}, None),
        ({"Retry-After": "-3"}, None),
        ({"Retry-After": "inf"}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "1e9"}, None),
        ({"Retry-After": "Thu, 01 Jan 1970 00:01:40 GMT"}, 90.0),
        ({"Retry-After": "Thu, 01 Jan 1970 00:00:01 GMT"}, None),
        (
            {
                "Retry-After": "Thu, 01 Jan 1970 00:00:09 GMT",
                "Date": "Thu, 01 Jan 1970 00:00:04 GMT",
            },
            5.0,
        ),
        ({"Retry-After": "soon"}, None),
        ({"RateLimit": '"api";r=0;t=55'}, 55.0),
        ({"RateLimit": '"api";r=12;t=55'}, None),
        ({"RateLimit": '"api";r=0;t=55, "resolvers"; t=70; r=0, "pages";r=9;t=99'}, 70.0),
        ({"RateLimit": '"api";r=0;t=soon'}, None),
        ({"Retry-After": "0", "RateLimit": '"api";r=0;t=55'}, 55.0),
        ({"Retry-After": "7", "RateLimit": '"api";r=0;t=55'}, 7.0),
        ({}, None),
    ],
)
def test_a_hub_may_name_its_pause_and_is_believed_within_reason(headers, seconds):
    assert retry_after(headers, now=10.0) == seconds


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"RateLimit": '"resolvers";r=0;t=55'}, 55.0),
        ({"RateLimit": '"resolvers";r=1;t=55'}, None),
        ({"RateLimit": '"resolvers";r=0'}, None),
        (
            {"RateLimit": '"api";r=0', "RateLimit-Policy": '"fixed window";"api";q=1000;w=300'},
            300.0,
        ),
        (
            {
                "RateLimit": '"pages";r=0',
                "RateLimit-Policy": '"fixed window";"api";q=1000;w=300, "fixed window";"pages";q=100;w=60',
            },
            60.0,
        ),
        ({"RateLimit": '"api";r=0', "RateLimit-Policy": '"other";q=1000;w=300'}, None),
        ({"RateLimit": '"api";r=0;t=0'}, None),
        ({"RateLimit": '"api";r=0;t=-5'}, None),
        ({"RateLimit": '"api";r=0;t=1e9'}, None),
        ({"RateLimit": '"api";r=0;t=nan'}, None),
        ({"RateLimit": ";;;,=,r=0"}, None),
        ({"Retry-After": "7"}, None),
        ({}, None),
    ],
)
def test_a_limit_that_is_used_up_says_when_it_begins_anew(headers, seconds):
    assert used_up(headers) == seconds


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b"[" * 900 + b"]" * 900 + b"x",
        b"9" * 100_000,
        b"[" + b"1," * 700_000 + b"1]",
        b"[" + b"{}," * 300_000 + b"{}]",
        b'{"a": NaN',
    ],
)
def test_json_that_is_deep_or_endless_is_no_answer(body):
    assert Answer(200, {}, body).json() is None


def test_how_many_values_an_answer_may_have_goes_by_how_long_it_may_be():
    body = b"[" + b"1," * 700_000 + b"1]"
    assert len(Answer(200, {}, body, most=LARGEST_LISTING).json()) == 700_001


@pytest.mark.parametrize(
    ("number", "known"),
    [
        (b"1e999", None),
        (b"-1e999", None),
        (b"1e400", None),
        (b'"1e999"', None),
        (b"2.5", 2),
        (b"true", 1),
        (b"9" * 4000, int("9" * 4000)),
    ],
    ids=lambda value: str(value)[:9],
)
def test_an_absurd_number_is_a_whole_one_or_none(number, known):
    assert code(Answer(200, {}, b'{"Code": ' + number + b"}").json()) == known


def test_a_busy_hub_that_names_the_time_is_waited_for():
    error = failure(Answer(503, {"Retry-After": "4"}, b""), host="hub", side="destination")
    assert isinstance(error, BusyError)
    assert (error.retry_after, error.kind) == (4.0, "busy")


def test_too_many_requests_are_told_from_a_hub_that_fails():
    kinds = [failure(Answer(status, {}, b""), host="hub", side="source").kind for status in (429, 500)]
    assert kinds == ["limited", "failing"]


@pytest.mark.parametrize(
    ("headers", "body", "said"),
    [
        ({}, b'{"error": "quota"}', "quota"),
        ({}, '{"Message": "模型不存在"}'.encode(), "模型不存在"),
        ({"X-Error-Message": "gone"}, b'{"error": "quota"}', "gone"),
        ({}, b"plain\nwords", "plain words"),
        ({}, b"<html><body>proxy</body></html>", ""),
        ({}, b"see https://s3.example/x?X-Amz-Signature=abc", "see https://s3.example/x"),
        ({}, b"bad token hf_secret", "bad token ***"),
        ({}, b"bad token ms_other of the other hub", "bad token *** of the other hub"),
        ({}, b"x" * 5000, "x" * 300),
        ({}, b"x" * 295 + b"hf_secret", "x" * 295 + "***"),
    ],
)
def test_what_a_hub_says_is_shown_in_one_line_without_secrets(headers, body, said):
    client("https://hub.example", token="hf_secret")
    client("https://another.example", token="ms_other")
    assert Answer(400, headers, body).text() == said


def test_neither_an_answer_nor_a_client_shows_its_secrets():
    answer = Answer(200, {}, b"secret", "https://s3.example/x?sig=secret")
    assert "secret" not in repr(answer)
    assert "secret" not in repr(client("https://hub.example"))


@pytest.mark.parametrize(
    "endpoint",
    ["https://hub.example", "http://localhost:8", "http://127.0.0.2", "http://[::1]:5", "http://a.localhost"],
)
def test_a_token_may_travel_encrypted_or_within_the_machine(endpoint):
    assert client(endpoint).endpoint == endpoint


@pytest.mark.parametrize(
    "endpoint", ["http://hub.example", "http://192.168.1.4:80", "http://localhost.evil.example"]
)
def test_a_token_does_not_travel_unencrypted_to_another_machine(endpoint):
    with pytest.raises(UsageError) as caught:
        client(endpoint)
    assert "secret" not in str(caught.value)
    assert client(endpoint, allow_insecure=True)
    assert client(endpoint, token=None)


@pytest.mark.parametrize("endpoint", ["", "hub", "ftp://hub", "https://", "http://host:port", "https://[::1"])
def test_what_is_no_web_address_is_no_endpoint(endpoint):
    with pytest.raises(UsageError):
        client(endpoint)


def test_an_address_is_shown_without_login_and_query():
    assert without_query("https://u:p@h.example:8/a/b?sig=1#f") == "https://h.example:8/a/b"
    assert host_of("https://u:p@h.example:8/a") == "h.example:8"
    assert origin("HTTPS://H.example/a") == ("https", "h.example", 443)
    assert origin("http://h.example:80/") == origin("http://h.example/")
    assert not is_loopback("127.0.0.1.evil.example")


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("apache-2.0", "Apache-2.0"),
        ("Apache License 2.0", "Apache-2.0"),
        ("MIT", "MIT"),
        ("cc-by-nc-4.0", "CC-BY-NC-4.0"),
        ("openrail", "openrail"),
        ("llama3.1", "llama3.1"),
        ("flux-1-dev-non-commercial-license", "flux-1-dev-non-commercial-license"),
        ("other", "other"),
        ("unknown", "other"),
        ("", "other"),
        (None, "other"),
    ],
)
def test_a_licence_is_named_and_never_left_to_the_hub(given, sent):
    assert license_name(given) == sent
