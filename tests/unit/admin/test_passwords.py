"""Passwords: which are refused, and how long the answer takes at most."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waitroom.admin.accounts.passwords import LOOKED_AT, guesses, is_guessable, settled

OWN = ("margarete.smith@shop.example", "Röstwerk", "queue.roestwerk.example")


@pytest.mark.parametrize(
    "password",
    [
        *("password1234", "Password1234!", "P@ssw0rd!2026", "drowssap1234", "Passwort12345"),
        *("123456789012", "abcdefghijkl", "qwertzuiop123", "1q2w3e4r5t6z7u", "0987654321098"),
        *("aaaaaaaaaaaa", "letmeinletmein", "abababababab", "111111222222", "passwordpassword"),
        *("monkeydragon12", "Liverpool1892", "Welcome-2026!", "administrator1", "waitroom-admin"),
        *("margarete.smith", "Smith-Margarete1", "htimseteragram", "M4rg4r3te2026"),
        *("röstwerk2026", "RÖSTWERKröstwerk", "queue.roestwerk"),
    ],
)
def test_common_passwords_rows_of_keys_and_own_words_are_refused(password: str) -> None:
    assert is_guessable(settled(password), OWN)


@pytest.mark.parametrize(
    "password",
    [
        *("correct horse battery staple", "hvm4-n9kx-27tq", "K7#mQz!x92Lp"),
        *("kaffee regnet blau dachs", "パスワードではない長い文", "a password of hers"),
    ],
)
def test_words_without_a_connection_and_random_signs_are_taken(password: str) -> None:
    assert not is_guessable(settled(password), OWN)


@given(st.text(max_size=60))
def test_no_more_guesses_are_counted_than_for_signs_at_random(password: str) -> None:
    assert 0.0 <= guesses(password[:LOOKED_AT]) <= len(password)


@given(st.text(min_size=1, max_size=40))
def test_a_password_is_the_same_however_a_keyboard_composes_it(password: str) -> None:
    forms = {unicodedata.normalize(form, password) for form in ("NFC", "NFD", "NFKC", "NFKD")}

    assert len({settled(form) for form in forms}) == 1
