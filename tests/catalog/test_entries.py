from __future__ import annotations

import numpy as np
import pytest

from climdiff.catalog import entries, files
from climdiff.catalog.synthetic import World
from climdiff.errors import DataError, RecipeError
from climdiff.grids.grid import Grid


def test_the_shipped_entries_are_valid_and_say_who_made_them():
    assert {"world", "radar2km", "racmo-iberia"} <= set(entries.names())
    for name in ("world", "radar2km", "racmo-iberia"):
        entry = entries.find(name)
        assert {"coarse", "fine"} <= entry.parts.keys() and entry.licence and entry.citation


def test_the_entry_of_the_embedded_world_describes_what_it_makes():
    for name, part in entries.find("world").parts.items():
        made = World().open(name)
        assert list(made) == list(part.variables)
        for key, variable in part.variables.items():
            assert variable.attributes.items() <= made[key].attrs.items()


@pytest.mark.parametrize(
    ("reference", "subset", "message"),
    [
        (
            "radar2k/fine",
            None,
            "Fix: did you mean 'radar2km', or describe data of your own in data_catalog/<name>.yaml.",
        ),
        ("radar2km/fin", None, "CD-037 radar2km: no part 'fin'. Fix: did you mean 'fine'."),
        ("radar2km/fine", "tran", "CD-037 radar2km/fine: no subset 'tran'. Fix: did you mean 'train'."),
        ("zzz", None, "Fix: use one of"),
    ],
)
def test_an_unknown_name_is_reported_with_the_nearest_one(reference, subset, message):
    with pytest.raises(RecipeError) as caught:
        entries.open_part(reference, subset)
    assert message in str(caught.value)


def test_fault_037_an_unknown_entry_says_where_it_was_looked_for(monkeypatch, tmp_path):
    shipped = files.folders()[-1]
    (tmp_path / "named").mkdir()
    monkeypatch.chdir(tmp_path)
    for named, before in ((str(tmp_path / "named"), f"{tmp_path / 'named'}, "), ("", "")):
        monkeypatch.setenv("CLIMDIFF_CATALOG", named)
        with pytest.raises(RecipeError) as caught:
            entries.find("my-data")
        looked = f"{before}data_catalog (absent), {shipped}"
        assert f"CD-037 catalog: no catalog entry 'my-data' in {looked}. Fix: " in str(caught.value)


def test_only_the_embedded_world_takes_options():
    assert entries.open_part("world/fine", options={"size": [16, 32], "end": "1991-01-03"}).pr.shape == (3, 16, 32)
    with pytest.raises(RecipeError, match="options size given, but only the embedded world has options"):
        entries.open_part("radar2km/fine", options={"size": 3})


def test_a_missing_file_names_the_path_and_the_variable_to_set(monkeypatch, tmp_path):
    monkeypatch.delenv("CLIMDIFF_DATA", raising=False)
    with pytest.raises(DataError, match=r"CD-012 radar2km: .*Fix: set CLIMDIFF_DATA=<folder that holds radar2km_dev>"):
        entries.open_part("radar2km/fine", "test")
    monkeypatch.setenv("CLIMDIFF_DATA", str(tmp_path))
    with pytest.raises(DataError, match=rf"CD-012 .*no such file or store: {tmp_path}/radar2km_dev/test_fine.nc"):
        entries.open_part("radar2km/fine", "test")


def test_radar_coarse_cells_are_blocks_of_8_fine_cells(monkeypatch, real_data):
    monkeypatch.setenv("CLIMDIFF_DATA", str(real_data))
    fine, coarse = (entries.open_part(f"radar2km/{part}", "val") for part in ("fine", "coarse"))
    np.testing.assert_allclose(Grid.from_dataset(fine).bounds_y()[::8], Grid.from_dataset(coarse).bounds_y())
    means = fine.pr.isel(time=slice(0, 9)).load().coarsen(y=8, x=8).mean()
    np.testing.assert_allclose(means, coarse.pr.isel(time=slice(0, 9)), atol=0.01)
    assert fine.indexes["time"].is_unique and "valid_time" in fine.coords


def test_iberia_opens_the_historical_run_and_puts_the_static_fields_on_its_grid(monkeypatch, real_data):
    monkeypatch.setenv("CLIMDIFF_DATA", str(real_data))
    fine, static = entries.open_part("racmo-iberia/fine"), entries.open_part("racmo-iberia/static")
    future = entries.open_part("racmo-iberia/fine", "future")
    assert (fine.time.dt.year.values[-1], future.time.dt.year.values[-1]) == (2002, 2100)
    assert Grid.from_dataset(fine).hash() == Grid.from_dataset(static).hash() == Grid.from_dataset(future).hash()
    assert Grid.from_dataset(static).kind == "rotated"
    assert fine.pr.dtype == np.float32 and fine.tas.attrs["units"] == "degC"
    np.testing.assert_array_equal(static.sftlf, static.orog > 0)
