"""Bytes to requests: what may come in, and each way in which two readers of the same bytes could see different requests."""

import pytest

from streams.receiver.limits import ReceiverLimits
from streams.receiver.request import Request, RequestParser

LIMITS = ReceiverLimits(body_max_bytes=10, header_max_bytes=100, headers_max=5, head_max_bytes=300)
HEAD = b"POST /h HTTP/1.1\r\nHost: t\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
AFTER = b"GET /smuggled HTTP/1.1\r\nHost: t\r\n\r\n"


def _parsed(data: bytes, *, step: int = 0) -> tuple[list[Request], int | None]:
    """What is whole, and the status of the refusal; `step`: so many bytes at a time."""
    parser = RequestParser(LIMITS)
    refused = None
    for start in range(0, len(data), step or len(data)):
        refused = parser.feed(data[start : start + (step or len(data))])
        if refused:
            break
    return list(parser.requests), refused


@pytest.mark.parametrize("step", [0, 1, 7])
def test_parser_when_requests_are_pipelined_then_each_is_whole_however_the_bytes_are_cut(step: int) -> None:
    data = HEAD + b"Webhook-ID:  a b \t\r\nContent-Length: 3\r\n\r\nabc" + CHUNKED + b"3;x=y\r\nabc\r\n1\r\nd\r\n0\r\n\r\n" + AFTER
    found, refused = _parsed(data, step=step)
    assert refused is None
    assert [(one.method, one.path, one.body, one.size, one.close) for one in found] == [
        ("POST", "/h", b"abc", 3, False),
        ("POST", "/h", b"abcd", 4, False),
        ("GET", "/smuggled", b"", 0, False),
    ]
    assert found[0].headers["webhook-id"] == "a b"
    assert dict(found[0].headers) == {"host": "t", "webhook-id": "a b", "content-length": "3"}


@pytest.mark.parametrize("step", [0, 1])
@pytest.mark.parametrize(
    "data",
    [
        # Two lengths.
        HEAD + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
        HEAD + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
        HEAD + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
        HEAD + b"Content-Length: 3, 3\r\n\r\nabc",
        # A length that some read as a number.
        HEAD + b"Content-Length: +3\r\n\r\nabc",
        HEAD + b"Content-Length: -3\r\n\r\nabc",
        HEAD + b"Content-Length: 0x3\r\n\r\nabc",
        HEAD + b"Content-Length: 0_3\r\n\r\nabc",
        HEAD + b"Content-Length: 1 2\r\n\r\nabc",
        HEAD + b"Content-Length: \r\n\r\nabc",
        HEAD + b"Content-Length: 99999999999999999999999\r\n\r\nabc",
        # A coding that some overlook, and others do not.
        HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
        HEAD + b'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n',
        HEAD + b"Transfer-Encoding: \r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Content-Length : 3\r\n\r\nabc",
        # Lines that do not end as they should.
        HEAD + b"X: a\nContent-Length: 3\r\n\r\nabc",
        HEAD + b"X: a\rContent-Length: 3\r\n\r\nabc",
        HEAD + b"X: a\r\n b\r\n\r\n",
        HEAD + b"X: a\0b\r\n\r\n",
        b"POST /h HTTP/1.1\nHost: t\nContent-Length: 0\n\n",
        b"POST /h HTTP/1.1\r\n Host: t\r\n\r\n",
        # Names that are none.
        HEAD + b": x\r\n\r\n",
        HEAD + b"abc\r\n\r\n",
        HEAD + b"X\x01Y: x\r\n\r\n",
        # Chunks.
        CHUNKED + b"3\nabc\r\n0\r\n\r\n",
        CHUNKED + b"3;a\nabc\r\n0\r\n\r\n",
        CHUNKED + b"3 \r\nabc\r\n0\r\n\r\n",
        CHUNKED + b"0x3\r\nabc\r\n0\r\n\r\n",
        CHUNKED + b"-3\r\nabc\r\n0\r\n\r\n",
        CHUNKED + b"fffffffffffffffff\r\nabc\r\n0\r\n\r\n",
        CHUNKED + b"2\r\nabc\r\n0\r\n\r\n",
        CHUNKED + b"3\r\nabc0\r\n\r\n",
        CHUNKED + b"3\r\nabc\n0\r\n\r\n",
        CHUNKED + b"3\r\nabc\r\n0\n\n",
        CHUNKED + b"3\r\nabc\r\n0\r\nContent-Length: 50\r\n\r\n",
        CHUNKED + b"3\r\nabc\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n",
        # Hosts.
        b"POST /h HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
        HEAD + b"Host: u\r\n\r\n",
        # Targets, versions, methods.
        b"POST /h x HTTP/1.1\r\nHost: t\r\n\r\n",
        b"POST\t/h HTTP/1.1\r\nHost: t\r\n\r\n",
        b"POST /h\xc3\xa9 HTTP/1.1\r\nHost: t\r\n\r\n",
        b"POST /h HTTP/1.2\r\nHost: t\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"post /h HTTP/1.1\r\nHost: t\r\n\r\n",
    ],
)
def test_parser_when_bytes_could_be_read_in_two_ways_then_nothing_is_read_at_all(data: bytes, step: int) -> None:
    assert _parsed(data + AFTER, step=step) == ([], 400)


def test_parser_when_a_trailer_repeats_a_header_then_it_does_not_count() -> None:
    found, refused = _parsed(CHUNKED + b"3\r\nabc\r\n0\r\nwebhook-id: evil\r\n\r\n" + AFTER)
    assert refused is None
    assert ["webhook-id" in one.headers for one in found] == [False, False]


def test_parser_when_a_header_is_repeated_then_the_first_counts() -> None:
    ((found,), _) = _parsed(HEAD + b"X: 1\r\nx: 2\r\n\r\n")
    assert found.headers["x"] == "1"


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"POST /" + b"x" * 100 + b" HTTP/1.1\r\nHost: t\r\n\r\n", 431),
        (HEAD + b"X: " + b"x" * 100 + b"\r\n\r\n", 431),
        (HEAD + b"X: " + b"x" * 2000, 431),
        (HEAD + b"x" * 2000, 431),
        (b"POST /" + b"x" * 2000, 431),
        (CHUNKED + b"1;" + b"x" * 2000, 431),
        (CHUNKED + b"0\r\nx: " + b"x" * 2000, 431),
        (HEAD + b"X: 1\r\n" * 5 + b"\r\n", 400),
        (HEAD + b"".join(b"X%d: 1\r\n" % number for number in range(5)) + b"\r\n", 400),
    ],
)
@pytest.mark.parametrize("step", [0, 1, 90])
def test_parser_when_head_or_trailer_is_too_large_then_it_is_refused_before_it_grows(data: bytes, status: int, step: int) -> None:
    assert _parsed(data, step=step) == ([], status)


def test_parser_when_body_is_too_large_then_its_beginning_is_kept_and_the_rest_counted() -> None:
    data = HEAD + b"Content-Length: 1000\r\n\r\n"
    parser = RequestParser(LIMITS)
    parser.feed(data + b"x" * 7)
    assert (parser.kept_bytes, parser.size) == (7, 7)
    parser.feed(b"x" * 500)
    assert (parser.kept_bytes, parser.size) == (10, 507)
    assert parser.feed(b"x" * 493) is None
    assert (parser.requests[0].body, parser.requests[0].size, parser.kept_bytes) == (b"x" * 10, 1000, 0)


@pytest.mark.parametrize("step", [0, 1])
@pytest.mark.parametrize("offer", [b"h2c", b"websocket"])
def test_parser_when_another_protocol_is_offered_then_the_request_is_read_and_is_the_last(offer: bytes, step: int) -> None:
    head = HEAD + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: " + offer + b"\r\nContent-Length: 3\r\n\r\n"
    found, refused = _parsed(head + b"abc" + head + b"abc", step=step)
    assert [(one.path, one.body, one.close) for one in found] == [("/h", b"abc", True)]
    assert refused == 400


def test_parser_when_protocol_is_named_but_not_offered_then_it_is_an_ordinary_request() -> None:
    found, refused = _parsed(HEAD + b"Upgrade: h2c\r\nContent-Length: 3\r\n\r\nabc" + AFTER)
    assert ([one.body for one in found], refused) == ([b"abc", b""], None)


@pytest.mark.parametrize("more", [b"", b"Upgrade: x\r\n", b"Connection: upgrade\r\nUpgrade: x\r\n"])
def test_parser_when_a_tunnel_is_wanted_then_the_rest_is_refused(more: bytes) -> None:
    found, refused = _parsed(b"CONNECT h:1 HTTP/1.1\r\nHost: t\r\n" + more + b"\r\n" + AFTER)
    assert ([one.method for one in found], refused) == (["CONNECT"], 400)


@pytest.mark.parametrize(
    ("data", "close"),
    [
        (HEAD + b"\r\n", False),
        (HEAD + b"Connection: keep-alive\r\n\r\n", False),
        (HEAD + b"Connection: close\r\n\r\n", True),
        (b"GET /h HTTP/1.0\r\n\r\n", True),
        (b"GET /h HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", True),
    ],
)
def test_parser_when_connection_ends_after_a_request_then_it_says_so(data: bytes, close: bool) -> None:  # noqa: FBT001  # a case
    ((found,), _) = _parsed(data)
    assert found.close is close


def test_parser_when_sender_waits_for_100_continue_then_size_is_told_until_the_body_comes() -> None:
    parser = RequestParser(LIMITS)
    parser.feed(HEAD + b"Expect: 100-Continue\r\nContent-Length: 3\r\n")
    assert parser.expected_bytes is None
    parser.feed(b"\r\n")
    assert parser.expected_bytes == 3
    parser.feed(b"a")
    assert parser.expected_bytes is None
    parser.feed(b"bc")
    assert (len(parser.requests), parser.expected_bytes) == (1, None)
