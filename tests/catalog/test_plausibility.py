from __future__ import annotations

import pytest

from climdiff.catalog.plausibility import implausible, implausible_at_any_time

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


@pytest.mark.parametrize(
    ("name", "units", "mean", "largest"),
    [
        (RAIN, "mm day-1", 1e-3, 0.1),  # a summer of one gauge
        (RAIN, "mm h-1", 6e-6, 0.1),  # two days of radar with one light shower
        (RAIN, "mm day-1", 500.0, 3500.0),  # a flood
        ("eastward_wind", "m s-1", -6.0, -3.7),  # trade winds
        ("wind_speed", "m s-1", 0.1, 0.3),
    ],
)
def test_any_weather_passes_where_a_climate_would_not(name, units, mean, largest):
    assert implausible(name, units, mean, largest) is not None
    assert implausible_at_any_time(name, units, mean, largest, 92) is None


def test_fault_030_slips_of_units_are_told_at_any_time():
    assert "too large" in implausible_at_any_time(RAIN, "kg m-2 s-1", 2.4, 60.0, 1)
    assert "looks like 273.15 too small" in implausible_at_any_time("air_temperature", "K", 12.0, 35.0, 1)
    flux = RAIN, "mm day-1", 2.4 / 86400, 60.0 / 86400
    assert "largest value of 0.0006944 mm day-1" in implausible_at_any_time(*flux, 30)
    assert implausible_at_any_time(*flux, 29) is None  # that may be a dry month
    assert implausible_at_any_time("sea_ice_thickness", "m", 1e30, 1e30, 1) is None
