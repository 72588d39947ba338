"""Patterns of names (fault 42)."""

from __future__ import annotations

import re

import pytest

from climdiff.recipe import names


@pytest.mark.parametrize("text", ["precip", "2km", "a-b_c", "a" * 64])
def test_a_name_may_be_a_folder_anywhere(text: str) -> None:
    assert re.fullmatch(names.NAME, text)


@pytest.mark.parametrize("text", ["", "-a", "_a", "A", "a/b", "..", "a.b", "a b", "é", "a" * 65])
def test_what_could_be_a_path_or_an_option_is_no_name(text: str) -> None:
    assert not re.fullmatch(names.NAME, text)


def test_a_date_is_no_subset() -> None:
    assert not re.fullmatch(names.SUBSET, "1981-01-01")


def test_every_pattern_says_what_it_asks_for() -> None:
    assert set(names.MEANINGS) == {names.NAME, names.REFERENCE, names.SUBSET, names.VARIABLE}
