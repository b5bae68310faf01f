"""Browsers in words, by what they say of themselves."""

import pytest

from waitroom.admin.accounts.sessions.browsers import UNKNOWN, browser_of

MOZILLA = "Mozilla/5.0"
WEBKIT = "AppleWebKit/605.1.15 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (
            f"{MOZILLA} (Windows NT 10.0; rv:140.0) Gecko/20100101 Firefox/140.0",
            "Firefox on Windows",
        ),
        (f"{MOZILLA} (X11; Linux x86_64) {WEBKIT} Chrome/141.0 Safari/537.36", "Chrome on Linux"),
        (
            f"{MOZILLA} (Windows NT 10.0) {WEBKIT} Chrome/141.0 Safari/537.36 Edg/141.0",
            "Edge on Windows",
        ),
        (
            f"{MOZILLA} (iPhone; CPU like Mac OS X) {WEBKIT} Version/26.0 Safari/604",
            "Safari on an iPhone",
        ),
        (
            f"{MOZILLA} (iPhone; CPU like Mac OS X) {WEBKIT} CriOS/141.0 Safari/604",
            "Chrome on an iPhone",
        ),
        (
            f"{MOZILLA} (Macintosh; Intel Mac OS X) {WEBKIT} Version/26.0 Safari/605",
            "Safari on a Mac",
        ),
        (
            f"{MOZILLA} (Linux; Android 16) {WEBKIT} SamsungBrowser/29.0 Chrome/136 Safari",
            "Samsung Internet on Android",
        ),
        (f"{MOZILLA} (Linux; Android 16)", "A browser on Android"),
        ("curl/8.16.0", UNKNOWN),
        ("", UNKNOWN),
        ("<script>\x1b[31m" * 1000, UNKNOWN),
    ],
)
def test_a_browser_is_told_in_words_of_ours(said: str, words: str) -> None:
    assert browser_of(said) == words
