from __future__ import annotations

import pytest

from climdiff.catalog.units import UNITS, conversion, known


@pytest.mark.parametrize(
    ("found", "wanted", "value", "expected"),
    [
        ("kg m-2 s-1", "mm day-1", 1.0, 86400.0),
        ("mm h-1", "mm day-1", 2.0, 48.0),
        ("m day-1", "mm/day", 0.003, 3.0),
        ("m s-1", "mm day-1", 1e-8, 0.864),
        ("mm day-1", "m s-1", 0.864, 1e-8),
        ("degC", "K", -40.0, 233.15),
        ("degF", "degC", -40.0, -40.0),
        ("hPa", "Pa", 1013.25, 101325.0),
        ("%", "1", 45.0, 0.45),
        ("g/kg", "kg kg-1", 5.0, 0.005),
        ("knots", "m s-1", 3600.0, 1852.0),
        ("km", "m", 1.5, 1500.0),
        ("furlong", "furlong", 7.0, 7.0),
    ],
)
def test_conversions_worked_out_by_hand(found, wanted, value, expected):
    scale, offset = conversion(found, wanted)
    assert scale * value + offset == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("found", "wanted"), [("m", "mm day-1"), ("", "K"), ("mm", "mm day-1"), ("Pa", "K")])
def test_what_the_table_does_not_have_is_not_converted(found, wanted):
    assert conversion(found, wanted) is None


def test_converting_there_and_back_changes_nothing():
    for name in UNITS:
        for other in known(name):
            (there, shift), (back, unshift) = conversion(name, other), conversion(other, name)
            assert back * (there * 17.0 + shift) + unshift == pytest.approx(17.0, rel=1e-9)
