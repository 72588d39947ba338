from datetime import datetime

import cftime
import numpy as np
import pytest
import xarray as xr

from climdiff.report import labels


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("mm day-1", "mm day⁻¹"),
        ("mm/h", "mm h⁻¹"),
        ("kg m-2 s-1", "kg m⁻² s⁻¹"),
        ("degC", "°C"),
        ("K", "K"),
        ("1", ""),
        ("", ""),
        ("m2 s-2", "m² s⁻²"),
    ],
)
def test_units_are_typeset(given: str, expected: str) -> None:
    assert labels.units_label(given) == expected


def test_control_characters_and_line_breaks_are_dropped() -> None:
    assert labels.plain("\n\x1b[31mERROR\u202e\r\n done") == "[31mERROR done"


def test_text_for_a_figure_is_no_formula() -> None:
    assert labels.drawn("cost $\\frac{") == r"cost \$\frac{"


def test_a_sentence_begins_with_a_capital_and_keeps_the_others() -> None:
    assert labels.sentence("rain over KNMI") == "Rain over KNMI"


def test_a_quantity_is_named_by_what_is_known_of_it() -> None:
    field = xr.DataArray(0.0, name="pr", attrs={"long_name": "daily precipitation", "units": "mm day-1"})
    assert labels.quantity(field) == "daily precipitation [mm day⁻¹]"
    assert labels.quantity(xr.DataArray(0.0, name="v", attrs={"standard_name": "air_pressure"})) == "air pressure"
    assert labels.quantity(xr.DataArray(0.0, name="v")) == "v"


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        (np.datetime64("2001-02-03T00:00:00.000000000"), "2001-02-03"),
        (np.datetime64("2001-02-03T12:30:00.000000000"), "2001-02-03 12:30"),
        (cftime.Datetime360Day(2001, 2, 30), "2001-02-30"),
        (cftime.DatetimeNoLeap(2001, 2, 3, 6), "2001-02-03 06:00"),
        (datetime(2001, 2, 3, 6), "2001-02-03 06:00"),
    ],
)
def test_dates_of_any_calendar_are_written_alike(time: object, expected: str) -> None:
    assert labels.date_label(time) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.1384, "0.138"), (-12.34, "−12.3"), (1234.5, "1234"), (0.0, "0.00"), (1.2e-9, "1.20e−09"), (np.nan, "–")],
)
def test_numbers_have_three_significant_digits(value: float, expected: str) -> None:
    assert labels.number(value) == expected


def test_a_number_that_rounds_to_nothing_has_no_sign():
    assert [labels.fixed(value, 2) for value in (-0.001, -0.006, 0.0)] == ["0.00", "−0.01", "0.00"]
