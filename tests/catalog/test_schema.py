from __future__ import annotations

import pytest
from pydantic import ValidationError

from climdiff.catalog.schema import Part, Variable

RAIN = {"standard_name": "precipitation_flux", "units": "mm day-1"}


def test_attributes_are_those_of_cf_and_the_bounds():
    variable = Variable(**RAIN, lower_bound=0.0, valid_range=(0.0, 500.0))
    assert variable.attributes == RAIN | {"lower_bound": 0.0, "valid_min": 0.0, "valid_max": 500.0}


def test_an_entry_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        Variable(**RAIN).units = "m"


@pytest.mark.parametrize("name", ["../x", "X", "a b", "", "a" * 65])
def test_fault_042_names_of_subsets_are_plain(name):
    with pytest.raises(ValidationError, match="String should match pattern"):
        Part(subsets={name: "x.nc"}, variables={"pr": Variable(**RAIN)})


def test_no_number_is_guessed_from_text_or_taken_as_infinite():
    for value in ("1e3", float("inf"), True):
        with pytest.raises(ValidationError):
            Variable(**RAIN, scale_factor=value)
