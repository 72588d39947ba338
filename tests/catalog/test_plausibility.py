from __future__ import annotations

import pytest

from climdiff.catalog.plausibility import implausible

RAIN = "precipitation_flux"


def test_rain_in_its_units_is_plausible():
    assert implausible(RAIN, "mm day-1", 2.4, 60.0) is None
    assert implausible(RAIN, "kg m-2 s-1", 2.4 / 86400, 60.0 / 86400) is None
    assert implausible(RAIN, "mm h-1", 0.36, 30.0) is None


@pytest.mark.parametrize(
    ("units", "mean", "high", "suspicion"),
    [
        ("mm day-1", 2.4 / 86400, 60.0 / 86400, "looks like a factor 86 400 too small"),
        ("kg m-2 s-1", 2.4, 60.0, "looks like a factor 86 400 too large"),
        ("mm day-1", 0.0024, 0.06, "looks like a factor 1 000 too small"),
        ("m day-1", 2.4, 60.0, "looks like a factor 1 000 too large"),
    ],
)
def test_fault_030_wrong_units_of_rain_are_rejected(units, mean, high, suspicion):
    message = implausible(RAIN, units, mean, high)
    assert "expected 0.001 to 100 and 0.5 to 3000" in message and suspicion in message


def test_fault_030_celsius_called_kelvin_and_hectopascal_called_pascal_are_rejected():
    assert "looks like 273.15 too small" in implausible("air_temperature", "K", 12.0, 35.0)
    assert "looks like a factor 100 too small" in implausible("air_pressure_at_mean_sea_level", "Pa", 1013.0, 1040.0)


def test_what_has_no_gate_or_is_zero_passes():
    assert implausible("sea_ice_thickness", "m", 1e30, 1e30) is None
    assert implausible(RAIN, "mm day-1", 0.0, 0.0) is None


def test_a_few_dates_may_be_dry_or_drown_or_have_wind_from_the_east_but_no_slip_of_units():
    assert implausible(RAIN, "mm day-1", 500.0, 3500.0, is_few=True) is None
    assert implausible(RAIN, "mm day-1", 1e-4, 0.01) is not None
    assert implausible(RAIN, "mm day-1", 1e-4, 0.01, is_few=True) is None
    assert "too large" in implausible(RAIN, "kg m-2 s-1", 2.4, 60.0, is_few=True)
    assert implausible("eastward_wind", "m s-1", -4.0, -0.2) is not None
    assert implausible("eastward_wind", "m s-1", -4.0, -0.2, is_few=True) is None
    assert "looks like 273.15 too small" in implausible("air_temperature", "K", 12.0, 35.0, is_few=True)
