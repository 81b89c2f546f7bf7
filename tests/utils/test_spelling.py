"""File names are spelled in one line of valid text, and read back."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinspect.utils.spelling import spell, unspell


@given(st.text(st.characters(codec=None, categories=None)))
def test_every_name_is_given_back(name: str) -> None:
    spelled = spell(name)
    assert unspell(spelled) == name
    spelled.encode()
    assert not [c for c in spelled if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp")]
    assert spell(spelled) == spelled or "\\u" in spelled


@pytest.mark.parametrize("name", ["part 7.png", "漢字.png", "C:\\parts\\unit.png", "é\u0301.png", "👩‍🔧.jpg"])
def test_usual_names_stay(name: str) -> None:
    assert spell(name) == name


@pytest.mark.parametrize(
    ("name", "spelled"),
    [
        ("a\nb", "a\\u000ab"),
        ("\x1b[2Jx", "\\u001b[2Jx"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("b\udcff", "b\\udcff"),
        ("\\u000a", "\\u005cu000a"),
        ("\\users", "\\users"),
    ],
)
def test_what_is_spelled(name: str, spelled: str) -> None:
    assert (spell(name), unspell(spelled)) == (spelled, name)
