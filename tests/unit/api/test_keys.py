import copy
import pickle
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainenv.api import ApiKey

PRINTABLE = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=8, max_size=80)


@given(PRINTABLE)
def test_a_key_shows_itself_only_when_asked(value: str) -> None:
    key = ApiKey(value)
    assert key.reveal() == value
    assert value not in f"{key!r} {key} {key.fingerprint} {[key]}"


@given(PRINTABLE, PRINTABLE)
def test_fingerprints_tell_keys_apart(one: str, other: str) -> None:
    assert ApiKey(one).fingerprint == ApiKey(one + "\n").fingerprint
    assert (ApiKey(one).fingerprint == ApiKey(other).fingerprint) == (one == other)
    assert (ApiKey(one) == ApiKey(other)) == (one == other)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("", "empty"),
        (" \n", "empty"),
        ("Api-Key abcdefgh", "whitespace"),
        ("abcd\r\nX-Evil: 1", "whitespace"),
        ("\tabcdefgh", "whitespace"),
        ("abcd\x00efgh", "characters"),
        ("abcd\x7fefgh", "characters"),
        ("abcdéfgh", "characters"),
        ("\ufeffabcdefgh", "characters"),
        ("abcd\udc80efgh", "characters"),
        ("a" * 5000, "longer"),
    ],
)
def test_what_cannot_stand_in_a_header_is_refused_without_being_shown(value: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as caught:
        ApiKey(value)
    inner = caught.tb.tb_next
    shown = "".join(traceback.TracebackException(type(caught.value), caught.value, inner, capture_locals=True).format())
    assert not value.strip() or value.strip() not in shown
    assert repr(value.strip()) not in shown


def test_a_key_cannot_be_written_away() -> None:
    with pytest.raises(TypeError):
        pickle.dumps(ApiKey("abcdefgh"))
    with pytest.raises(TypeError):
        copy.deepcopy(ApiKey("abcdefgh"))
