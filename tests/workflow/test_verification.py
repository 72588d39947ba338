"""Verification as a user sees it: every baseline on the same times, foreign ensembles, damaged stores."""

from __future__ import annotations

import html
import json
import os
import resource
import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

import climdiff
from climdiff import build, ladder
from climdiff.errors import DataError, MismatchError, OutputError, RecipeError
from climdiff.grids.blocks import blocks_of
from climdiff.verification.probabilistic import crps_fair
from climdiff.verification.requirements import requirement
from climdiff.verification.scorecard import Scores
from climdiff.workflow.contenders import lazily
from climdiff.workflow.experiment import publish
from climdiff.workflow.generation import generate
from climdiff.workflow.report import write as write_report
from climdiff.workflow.verification import output_folder, score_baselines, verify, write


@pytest.fixture(scope="module")
def store(trained, tmp_path_factory):
    path = tmp_path_factory.mktemp("out") / "ensemble.zarr"
    generate(climdiff.load(trained), path)
    return path


@pytest.fixture(scope="module")
def verdict(store):
    return verify(store)


def test_the_model_and_every_baseline_are_scored(verdict, tmp_path):
    write(verdict, tmp_path)
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert list(scores["pr"]) == ["diffusion", "bilinear", "climatology", "analogs", "oracle"]
    for row in scores["pr"].values():
        assert {"crps_fair", "mae", "rmse", "bias", "spread_skill"} <= set(row)
        assert row["n_times"] == 20
    with xr.open_dataset(tmp_path / "scores.nc", group="oracle") as groups:
        assert groups.sizes


def test_scores_are_those_of_the_store(verdict, store, minute_recipe):
    pairs = build.open_splits(minute_recipe, ["test"])["test"]
    area = pairs.fine_grid.cell_area().values
    crps = crps_fair(xr.open_zarr(store)["pr"].values, pairs.truth(slice(None))["pr"].values)
    assert verdict.to_json()["pr"]["diffusion"]["crps_fair"] == pytest.approx(float((crps * area).mean()), rel=1e-5)


def test_seasons_regions_and_the_coarse_input_are_scored_where_the_recipe_says_so(store, minute_recipe, tmp_path):
    test = build.open_splits(minute_recipe, ["test"])["test"]
    grid, blocks = test.fine_grid, blocks_of(test.coarse_grid, test.fine_grid)
    apart = blocks.mean(test.truth(slice(None))["pr"].values) - blocks.oriented(test.coarse["pr"].values)
    area = np.broadcast_to(blocks.cells(blocks.area).sum(axis=-1), apart.shape)
    lat, lon = grid.latlon() or np.meshgrid(grid.y, grid.x, indexing="ij")
    middle = float(np.median(lat))
    regions = {"south": (float(lat.min()), middle, float(lon.min()), float(lon.max()))}
    chosen = minute_recipe.verify.model_copy(update={"by_season": True, "regions": regions, "baselines": ("bilinear",)})
    verdict = verify(store, recipe=minute_recipe.model_copy(update={"verify": chosen}))
    write(verdict, tmp_path)
    for row in json.loads((tmp_path / "scores.json").read_text())["pr"].values():
        seasons = [name for name in row if name.endswith(":crps_fair")]
        assert "south:crps_fair" in seasons and len(seasons) >= 2
        assert row["coarse_rmse_truth"] == pytest.approx(np.sqrt(np.average(apart**2, weights=area)), rel=1e-5)
        assert row["coarse_rmse"] > 0


def test_every_baseline_gets_a_sentence_with_its_interval(verdict):
    lines = verdict.sentences("pr")
    for line, name in zip(lines, ("bilinear", "climatology", "analogs", "oracle"), strict=False):
        assert name in line
        assert "20 days" in line
    assert lines[0].count("(a single field: its CRPS is its MAE)") == 1
    assert not any("single field" in line for line in lines[1:])


def test_the_verdict_is_written_beside_the_scores(verdict, tmp_path):
    write(verdict, tmp_path)
    written = json.loads((tmp_path / "scores.json").read_text())["verdict"]["pr"]["crps_fair"]
    assert list(written) == ["bilinear", "climatology", "analogs", "oracle"]
    for name, found in written.items():
        scores = verdict.to_json()["pr"]
        percent = 100 * (scores["diffusion"]["crps_fair"] / scores[name]["crps_fair"] - 1)
        assert found["difference_percent"] == pytest.approx(percent)
        assert {"low", "high", "level", "n_blocks", "method", "sentence"} <= set(found)
    with xr.open_dataset(tmp_path / "scores.nc", group="verdict") as table:
        assert table["reference"].values.tolist() == list(written)
        assert table["difference_percent"].values.tolist() == [row["difference_percent"] for row in written.values()]


def test_fault_052_scores_without_room_leave_both_files_of_before(verdict, tmp_path):
    write(verdict, tmp_path)
    sizes = {file.name: file.stat().st_size for file in tmp_path.iterdir()}
    assert sizes["scores.json"] < sizes["scores.nc"]
    for name in sizes:
        (tmp_path / name).write_text("old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (sizes["scores.json"], before[1]))
    try:
        with pytest.raises(OSError, match="File too large") as caught:
            write(verdict, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert caught.value.filename == str(tmp_path / "scores.nc")
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == dict.fromkeys(sizes, "old")


def test_requirements_are_met_only_where_the_interval_says_so(store, verdict):
    wanted = [requirement(text) for text in ("mae < bilinear", "pr: brier_fair@1 < climatology")]
    found = verify(store, require=wanted)
    assert {key[1] for key in found.differences} == {"crps_fair", "mae", "brier_fair@1"}
    met = {each: found.differences["pr", each.score, each.reference].is_better for each in wanted}
    lines = found.unmet(wanted)
    expected = [f"not met: {each.text}: pr: " for each in wanted if not met[each]]
    assert [line.startswith(start) for line, start in zip(lines, expected, strict=True)] == [True] * len(expected)
    assert verdict.unmet([requirement("crps_fair < oracle")])[0].startswith("not met: crps_fair < oracle: pr: ")


def test_a_requirement_of_what_is_not_scored_is_refused_before_scoring(store, tmp_path):
    def scored(*args):
        pytest.fail("scoring began")

    with pytest.raises(RecipeError, match=r"CD-037 --require: .*no baseline 'analog' is scored.*'analogs'"):
        verify(store, require=[requirement("crps_fair < analog")], progress=scored)
    with pytest.raises(RecipeError, match="a foreign ensemble has no baselines"):
        verify(store, truth=store, require=[requirement("pr: crps_fair < analogs")], progress=scored)


def test_keys_of_verify_are_changed_for_one_verification(store, tmp_path):
    assert set(verify(store, overrides=["verify.baselines=[bilinear]"]).scores) == {"diffusion", "bilinear"}
    with pytest.raises(RecipeError, match=r"CD-037 command line: 'sample\.steps=4' cannot change any more"):
        verify(store, overrides=["sample.steps=4"])
    with pytest.raises(RecipeError, match="has no recipe to change: the truth is named by --truth"):
        verify(store, truth=store, overrides=["verify.baselines=[bilinear]"])


def test_fault_044_scores_of_other_baselines_are_not_lost(store, tmp_path):
    asked = {"overrides": ["verify.baselines=[bilinear, conservative]"], "kept": tmp_path}
    write(verify(store, **asked), tmp_path)
    before, steps = (tmp_path / "scores.json").read_bytes(), []
    with pytest.raises(MismatchError) as caught:
        verify(store, overrides=["verify.baselines=[bilinear]"], kept=tmp_path, progress=lambda *at: steps.append(at))
    assert str(caught.value) == (
        f"CD-044 {tmp_path / 'scores.json'}: has scores of conservative, which would be lost: these baselines are not "
        "among those asked for. Fix: give another folder with --out, or name them too in verify.baselines."
    )
    assert not steps and (tmp_path / "scores.json").read_bytes() == before
    assert len(verify(store, **asked | {"overrides": ["verify.baselines=ladder"]}).scores) > 3
    (tmp_path / "scores.json").write_text("{")
    assert len(verify(store, overrides=["verify.baselines=[bilinear]"], kept=tmp_path).scores) == 2


def test_any_cf_ensemble_is_scored_against_a_truth(store, minute_recipe, tmp_path):
    truth = build.open_splits(minute_recipe, ["test"])["test"].truth(slice(None))
    truth.to_netcdf(tmp_path / "truth.nc")
    foreign = xr.open_zarr(store).rename(realization="number").drop_attrs(deep=False)
    foreign["number"].attrs = {"standard_name": "realization"}
    foreign.to_netcdf(tmp_path / "foreign.nc")
    verdict = verify(tmp_path / "foreign.nc", truth=tmp_path / "truth.nc")
    publish(verdict, tmp_path)
    found = json.loads((tmp_path / "scores.json").read_text())["pr"]["ensemble"]
    assert found["n_members"] == 4
    own = verify(store).to_json()["pr"]["diffusion"]
    assert found["crps_fair"] == pytest.approx(own["crps_fair"], rel=1e-6)
    assert (tmp_path / "report.html").exists()


def test_fault_013_rows_of_a_foreign_ensemble_are_mapped_where_they_lie(store, minute_recipe, tmp_path):
    truth = build.open_splits(minute_recipe, ["test"])["test"].truth(slice(None))
    foreign = xr.open_zarr(store)[["pr"]].drop_attrs(deep=False).load()
    turned = foreign.isel(lat=slice(None, None, -1), lon=slice(None, None, -1))
    turned.drop_encoding().to_netcdf(tmp_path / "foreign.nc")
    truth.to_netcdf(tmp_path / "truth.nc")
    verdict = verify(tmp_path / "foreign.nc", truth=tmp_path / "truth.nc")
    np.testing.assert_array_equal(verdict.ensemble["pr"].values, foreign["pr"].values)


def test_a_foreign_ensemble_needs_a_truth(tmp_path):
    xr.Dataset({"pr": ("time", [1.0])}).to_netcdf(tmp_path / "foreign.nc")
    with pytest.raises(MismatchError, match=r"CD-044 .*was not made by climdiff.*Fix: name the truth with --truth"):
        verify(tmp_path / "foreign.nc")


def test_fault_001_a_flipped_bit_stops_verification(store, tmp_path):
    copy = tmp_path / "ensemble.zarr"
    shutil.copytree(store, copy)
    chunk = next(path for path in sorted((copy / "pr" / "c").rglob("*")) if path.is_file())
    content = bytearray(chunk.read_bytes())
    content[len(content) // 2] ^= 4
    chunk.write_bytes(content)
    for more in ({}, {"truth": store}):
        with pytest.raises(OutputError, match=r"CD-001 .*pr.*Fix:"):
            verify(copy, **more)
    with pytest.raises(OutputError, match=r"CD-001 .*pr.*Fix:"):
        verify(store, truth=copy)


@pytest.mark.parametrize(("side", "zarr_format"), [("truth", 2), ("truth", 3), ("ensemble", 2)])
def test_fault_005_a_damaged_file_of_a_user_is_told(store, tmp_path, side, zarr_format):
    one = xr.open_zarr(store)[["pr"]].isel(realization=0, drop=True).load().drop_encoding()
    paths = {name: tmp_path / name for name in ("truth", "ensemble")}
    for path in paths.values():
        one.to_zarr(path, zarr_format=zarr_format)
    chunk = max(
        (file for file in (paths[side] / "pr").rglob("*") if file.is_file()), key=lambda file: file.stat().st_size
    )
    os.truncate(chunk, chunk.stat().st_size // 2)
    with pytest.raises(
        DataError, match=rf"CD-005 .*{side}: values cannot be read .*decompression.*Fix: fetch or write"
    ):
        verify(paths["ensemble"], truth=paths["truth"])


def test_an_absent_store_is_told(tmp_path):
    with pytest.raises(DataError, match=r"CD-012 .*no such file or store"):
        verify(tmp_path / "nothing.zarr")


def test_an_input_is_never_replaced_by_the_output(store, minute_recipe, tmp_path):
    truth = build.open_splits(minute_recipe, ["test"])["test"].truth(slice(None))
    truth.to_netcdf(tmp_path / "scores.nc")
    with pytest.raises(MismatchError, match=r"CD-044 .*scores\.nc: is an input of this verification.*--out"):
        output_folder(store, tmp_path, tmp_path / "scores.nc")
    assert output_folder(tmp_path / "ens.nc", None, tmp_path / "scores.nc") == tmp_path / "ens-scores"
    assert output_folder(store, None, None) == store.parent


@pytest.mark.parametrize(
    "spoil", ["deterministic", "unsorted", "shorter", "zero", "scalars", "one without members", "row", "stations"]
)
def test_odd_foreign_ensembles_get_scores_and_a_report(store, minute_recipe, tmp_path, spoil):
    truth = build.open_splits(minute_recipe, ["test"])["test"].truth(slice(None))
    ensemble = xr.open_zarr(store)[["pr"]].load()
    match spoil:
        case "deterministic":
            ensemble = ensemble.isel(realization=0, drop=True)
        case "unsorted":
            ensemble = ensemble.isel(time=slice(None, None, -1))
        case "shorter":
            ensemble = ensemble.isel(time=slice(3, 9))
        case "zero":
            ensemble, truth = ensemble.copy(), truth.copy()
            ensemble["pr"], truth["pr"] = ensemble["pr"] * 0, truth["pr"] * 0
            for side in (ensemble, truth):
                side["pr"].attrs["units"] = "mm day-1"
        case "scalars":  # beside the dimensions that count times and members
            ensemble = ensemble.rename(time="valid_time", realization="number").assign_coords(time=0, realization=0)
            truth = truth.rename(time="valid_time").assign_coords(time=0)
        case "one without members":
            ensemble["low"], truth["low"] = ensemble["pr"].isel(realization=0, drop=True) / 2, truth["pr"] / 2
        case "row" | "stations":
            places = (
                {"lat": 3} if spoil == "row" else {d: xr.DataArray([3, 9, 1], dims="station") for d in ("lat", "lon")}
            )
            ensemble, truth = ensemble.isel(places), truth.isel(places)
    ensemble.drop_encoding().to_netcdf(tmp_path / "ens.nc")
    truth.to_netcdf(tmp_path / "truth.nc")
    verdict = verify(tmp_path / "ens.nc", truth=tmp_path / "truth.nc")
    n_members = {name: each.scalars["n_members"] for name, each in verdict.scores["ensemble"].variables.items()}
    assert n_members == {"pr": 1 if spoil == "deterministic" else 4} | ({"low": 1} if "low" in truth else {})
    publish(verdict, tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["report.html", "scores.json", "scores.nc"]


def test_baselines_are_scored_without_a_model_as_beside_one(verdict, minute_recipe, tmp_path):
    alone = score_baselines(minute_recipe)
    beside = verdict.to_json()["pr"]
    assert alone.to_json()["pr"] == {name: beside[name] for name in ("bilinear", "climatology", "analogs", "oracle")}
    assert alone.sentences("pr") == []
    write(alone, tmp_path)
    assert set(json.loads((tmp_path / "scores.json").read_text())["pr"]) == set(alone.scores)
    none = minute_recipe.model_copy(update={"verify": minute_recipe.verify.model_copy(update={"baselines": ()})})
    with pytest.raises(RecipeError, match=r"CD-037 verify\.baselines: names no method"):
        score_baselines(none)


def test_a_baseline_may_make_some_of_the_targets_only(minute_recipe):
    test = build.open_splits(minute_recipe, ["train", "test"])["test"]
    two = replace(test, fine=test.fine.assign(tas=test.fine["pr"] + 280))
    rain = ladder.baselines(minute_recipe, test)["bilinear"]
    assert list(lazily(rain.downscaler, two.coarse, [0], 0, two, rain.variables).data_vars) == ["pr"]


def test_a_baseline_that_cannot_take_missing_predictors_is_left_out_with_a_line(store, tmp_path, monkeypatch):
    def with_a_hole(recipe, wanted):
        splits = build.open_splits(recipe, wanted)
        hole = splits["test"].coarse["time"] != splits["test"].coarse["time"][3]
        return {**splits, "test": replace(splits["test"], coarse=splits["test"].coarse.where(hole))}

    lines = []
    spoiled = SimpleNamespace(open_splits=with_a_hole, HELD_BYTES=build.HELD_BYTES)
    monkeypatch.setattr("climdiff.workflow.verification.build", spoiled)
    only = ["verify.baselines=[climatology, analogs]"]
    verdict = verify(store, overrides=only, say=lines.append)
    assert set(verdict.scores) == {"diffusion", "climatology"}
    assert len(lines) == 1 and lines[0].startswith("'analogs' is left out: predictors") and "miss cells at" in lines[0]
    write(verdict, tmp_path)
    why = json.loads((tmp_path / "scores.json").read_text())["left_out"]
    assert [f"'{name}' is left out: {each}" for name, each in why.items()] == lines
    write_report(verdict, tmp_path / "report.html")
    assert "'analogs' is left out: predictors" in html.unescape((tmp_path / "report.html").read_text())
    with pytest.raises(DataError, match="CD-075"):
        verify(store, overrides=only, require=[requirement("crps_fair < analogs")])


def test_a_dry_test_period_is_verified_though_interpolation_has_no_error(store, tmp_path, monkeypatch):
    def dry(recipe, wanted):
        splits = build.open_splits(recipe, wanted)
        coarse, fine = xr.zeros_like(splits["test"].coarse), xr.zeros_like(splits["test"].fine)
        return {**splits, "test": replace(splits["test"], coarse=coarse, fine=fine)}

    monkeypatch.setattr(
        "climdiff.workflow.verification.build", SimpleNamespace(open_splits=dry, HELD_BYTES=build.HELD_BYTES)
    )
    wanted = [requirement("crps_fair < bilinear")]
    verdict = verify(store, overrides=["verify.baselines=[bilinear, climatology]"], require=wanted)
    publish(verdict, tmp_path)
    written = json.loads((tmp_path / "scores.json").read_text())
    assert written["pr"]["bilinear"]["crps_fair"] == 0 and written["pr"]["diffusion"]["crps_fair"] > 0
    found = written["verdict"]["pr"]["crps_fair"]
    assert found["bilinear"]["difference_percent"] is None and found["climatology"]["difference_percent"] is not None
    (line,) = verdict.unmet(wanted)
    crps = f"{written['pr']['diffusion']['crps_fair']:.3g} against 0 mm day-1 over 20 days"
    assert line.endswith(f"fair CRPS worse than bilinear (a single field: its CRPS is its MAE): {crps}")
    with xr.open_dataset(tmp_path / "scores.nc", group="verdict") as table:
        assert np.isnan(table["difference_percent"].values).tolist() == [True, False]
    assert crps in html.unescape((tmp_path / "report.html").read_text())


@pytest.mark.parametrize("taken", ["verdict", "leaks", "not_searched", "left_out"])
def test_a_variable_that_would_hide_the_verdict_is_refused(verdict, tmp_path, taken):
    scores = {name: Scores({taken: each["pr"]}) for name, each in verdict.scores.items()}
    with pytest.raises(DataError, match=rf"CD-036 scores\.json: a variable named {taken} would take .*rename it"):
        write(replace(verdict, scores=scores, differences={}), tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_variable_with_an_endless_name_is_refused(verdict, tmp_path):
    scores = {name: Scores({"p" * 201: each["pr"]}) for name, each in verdict.scores.items()}
    with pytest.raises(DataError, match=r"CD-036 scores\.nc: a variable's name has 201 letters .*at most 200 fit"):
        write(replace(verdict, scores=scores, differences={}), tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_name_as_long_as_allowed_can_be_written(verdict, tmp_path):
    scores = {"diffusion": Scores({"p" * 200: verdict.scores["diffusion"]["pr"]})}
    write(replace(verdict, scores=scores, differences={}), tmp_path)
    assert (tmp_path / "scores.nc").stat().st_size


def test_networks_alone_are_no_ladder(minute_recipe):
    only = minute_recipe.verify.model_copy(update={"baselines": ("unet", "crps")})
    with pytest.raises(RecipeError, match=r"CD-037 verify\.baselines: names networks only \(unet, crps\)"):
        score_baselines(minute_recipe.model_copy(update={"verify": only}))


def test_dates_twice_in_a_truth_are_one_line(store, tmp_path):
    with xr.open_zarr(store) as ensemble:
        member = ensemble.isel(realization=0, drop=True)[["pr"]]
        member.isel(time=[0, 1, 2]).to_netcdf(tmp_path / "e.nc")
        member.isel(time=[0, 1, 2, 3, 0]).to_netcdf(tmp_path / "t.nc")
    with pytest.raises(DataError, match="CD-024"):
        verify(tmp_path / "e.nc", truth=tmp_path / "t.nc")


def test_fault_022_dates_twice_in_an_ensemble_are_not_blamed_on_the_truth(store, tmp_path):
    with xr.open_zarr(store) as ensemble:
        member = ensemble.isel(realization=0, drop=True)[["pr"]]
        member.isel(time=[0, 1, 1]).to_netcdf(tmp_path / "e.nc")
        member.isel(time=[0, 1, 2, 3]).to_netcdf(tmp_path / "t.nc")
    with pytest.raises(DataError) as caught:
        verify(tmp_path / "e.nc", truth=tmp_path / "t.nc")
    (problem,) = caught.value.problems
    assert problem.code == 22 and problem.where == str(tmp_path / "e.nc")


@pytest.mark.parametrize(("x", "how"), [(None, "alike"), ([0, 1, 2.2], "by the steps of 'y' and 'x'"), ("lon", None)])
def test_cells_that_count_alike_for_want_of_an_area_are_told(tmp_path, x, how):
    times = xr.date_range("2001-01-01", periods=3, use_cftime=False)
    y_dim, x_dim = ("lat", "lon") if how is None else ("y", "x")
    fields = xr.Dataset({"pr": (("time", y_dim, x_dim), np.ones((3, 4, 3)))}, {"time": times})
    if x is not None:
        fields = fields.assign_coords({y_dim: [10.0, 11, 12, 13], x_dim: [0, 1, 2] if how is None else x})
    fields.to_netcdf(tmp_path / "t.nc")
    lines = []
    verify(tmp_path / "t.nc", truth=tmp_path / "t.nc", say=lines.append)
    told = f"cells count {how}: the truth has no latitude and longitude along its axes that tell their area"
    assert lines == ([told] if how else [])
