"""Answers that were made before: told in the client's language, and safe on a kept connection."""

import json

import pytest

from inventory.kit.problem import Busy
from waitroom.run.listening.headers import SafeHeaders
from waitroom.run.listening.refusing import AGAIN_AFTER_S, BusyAnswers

HEAD = b"GET /rooms/drop/state HTTP/1.1\r\nHost: shop\r\n"
JOIN = b"POST /rooms/drop/tickets HTTP/1.1\r\nHost: shop\r\n"


@pytest.fixture(scope="module")
def busy() -> BusyAnswers:
    return BusyAnswers(SafeHeaders(secure=True))


def parts(answer: bytes) -> tuple[str, dict[str, str], bytes]:
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    return first, dict(line.split(": ", 1) for line in lines), body


def test_a_program_is_told_as_by_any_other_refusal(busy: BusyAnswers) -> None:
    answer, ends = busy.answer(HEAD + b"\r\n", 5, ends=False)

    first, headers, body = parts(answer)
    assert first == "HTTP/1.1 503 Service Unavailable"
    assert headers["Content-Type"] == "application/problem+json"
    assert headers["Retry-After"] == "5"
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert int(headers["Content-Length"]) == len(body)
    assert json.loads(body) == Busy().body()
    assert not ends
    assert "Connection" not in headers


def test_clients_that_are_refused_together_come_back_at_different_times(busy: BusyAnswers) -> None:
    told = [busy.again_after_s() for _ in range(700)]

    assert set(told) == set(AGAIN_AFTER_S)
    assert max(map(told.count, AGAIN_AFTER_S)) < 2 * len(told) / len(AGAIN_AFTER_S)


@pytest.mark.parametrize(
    "asks",
    [
        b"Accept-Language: de-CH,de;q=0.9,en;q=0.8\r\n",
        b"accept-language: fr\r\nCookie: a=b; room_language=de\r\n",
    ],
)
def test_it_is_said_in_the_shoppers_language(busy: BusyAnswers, asks: bytes) -> None:
    body = parts(busy.answer(HEAD + asks + b"\r\n", 2, ends=False)[0])[2]

    assert (
        "beschäftigt" in json.loads(body)["detail"] or "ausgelastet" in json.loads(body)["detail"]
    )


def test_a_browser_gets_a_page_that_comes_again_by_itself(busy: BusyAnswers) -> None:
    answer, _ = busy.answer(
        HEAD + b"Accept: text/html,*/*\r\nAccept-Language: ar\r\n\r\n", 4, ends=False
    )

    _, headers, body = parts(answer)
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert headers["Refresh"] == headers["Retry-After"] == "4"
    assert b'<html lang="ar" dir="rtl">' in body
    assert "style-src 'sha256-" in headers["Content-Security-Policy"]


def test_a_head_has_no_body(busy: BusyAnswers) -> None:
    answer, ends = busy.answer(HEAD.replace(b"GET", b"HEAD") + b"\r\n", 2, ends=False)

    assert answer.endswith(b"\r\n\r\n")
    assert answer.count(b"\r\n\r\n") == 1
    assert ends


@pytest.mark.parametrize(
    "request_",
    [
        HEAD + b"\r\n",
        HEAD + b"Connection: keep-alive\r\n\r\n",
        JOIN + b"Content-Length: 0\r\n\r\n",
    ],
)
def test_a_connection_is_kept_where_the_next_request_can_be_told(
    busy: BusyAnswers, request_: bytes
) -> None:
    assert busy.answer(request_, 2, ends=False)[1] is False
    assert busy.answer(request_, 2, ends=True)[1] is True


@pytest.mark.parametrize(
    "request_",
    [
        b"",
        b"GET /rooms",
        HEAD,
        HEAD + b"\r\nGET / HTTP/1.1\r\n\r\n",
        HEAD.replace(b"1.1", b"1.0") + b"\r\n",
        HEAD + b"Connection: close\r\n\r\n",
        HEAD + b"Connection: keep-alive\r\nConnection: close\r\n\r\n",
        JOIN + b"Content-Length: 5\r\n\r\n",
        JOIN + b"Content-Length: 2\r\n\r\n{}",
        JOIN + b"Content-Length: 0\r\nContent-Length: 5\r\n\r\n",
        JOIN + b"content-length : 5\r\n\r\n",
        JOIN + b"Transfer-Encoding: chunked\r\n\r\n",
        JOIN + b"TRANSFER-ENCODING:\x0bchunked\r\n\r\n",
        JOIN.replace(b"POST", b"PUT") + b"\r\n",
        b"\x16\x03\x01\r\n\r\n",
    ],
)
def test_a_connection_ends_where_a_body_might_be_taken_for_a_request(
    busy: BusyAnswers, request_: bytes
) -> None:
    answer, ends = busy.answer(request_, 2, ends=False)

    assert ends
    assert b"\r\nConnection: close\r\n" in answer
