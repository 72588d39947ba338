"""Types of keys hold what they say."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from climdiff.recipe.fields import Date, Moment, Selection, Variables


@pytest.mark.parametrize("text", ["2001-02-30", "0001-12-31"])
def test_a_date_is_a_day_of_some_calendar(text: str) -> None:
    assert TypeAdapter(Date).validate_python(text) == text


@pytest.mark.parametrize("text", ["2001-02-31", "2001-13-01", "2001-1-01", "today"])
def test_a_day_of_no_calendar_is_no_date(text: str) -> None:
    with pytest.raises(ValidationError, match=r"expected a date|in no calendar"):
        TypeAdapter(Date).validate_python(text)


def test_a_moment_may_have_a_clock() -> None:
    assert TypeAdapter(Moment).validate_python("2001-02-03T04:05") == "2001-02-03T04:05"
    with pytest.raises(ValidationError, match="expected a time"):
        TypeAdapter(Moment).validate_python("2001-02-03T24:00")


def test_a_selection_is_a_subset_or_a_period() -> None:
    selection: TypeAdapter[object] = TypeAdapter(Selection)
    assert selection.validate_python("train") == "train"
    assert selection.validate_python(("2001-01-01", "2001-01-31")) == ("2001-01-01", "2001-01-31")


def test_a_name_twice_is_refused() -> None:
    with pytest.raises(ValidationError, match="pr given twice"):
        TypeAdapter(Variables).validate_python(("pr", "tas", "pr"))
