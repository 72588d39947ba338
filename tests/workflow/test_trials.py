"""A way is drawn once on its dates, in blocks that do not matter, and a damaged file is refused."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

import climdiff
from climdiff import build
from climdiff.errors import MismatchError, RecipeError
from climdiff.workflow.trials import Trials


@pytest.fixture(scope="module")
def parts(trained, minute_recipe):
    return climdiff.load(trained), build.open_splits(minute_recipe, ["validation"])["validation"].select(np.arange(7))


def test_a_trial_is_kept_and_counts_evaluations_and_fields(parts, tmp_path):
    model, pairs = parts
    done = []
    trials = Trials(model, pairs, 3, tmp_path, done.append)
    guided = model.recipe.sample.model_copy(update={"guidance": 1.5, "steps": 3})
    first = trials.score(guided)
    assert first.evaluations == 6
    assert sum(done) == pytest.approx(6)
    assert first.scores["pr"].crps.shape == (7,)
    later = Trials(model, pairs, 3, tmp_path, done.append).score(guided)
    assert sum(done) == pytest.approx(6)
    np.testing.assert_array_equal(later.scores["pr"].crps, first.scores["pr"].crps)
    assert later.power == first.power


def test_other_dates_or_members_are_another_file(parts, tmp_path):
    model, pairs = parts
    files = {
        Trials(model, each, n, tmp_path, print).file for each in (pairs, pairs.select(np.arange(4))) for n in (2, 3)
    }
    assert len(files) == 4


def test_fault_037_levels_that_the_chain_has_not_are_refused(parts, tmp_path):
    model, pairs = parts
    beyond = model.recipe.sample.model_copy(update={"levels": (1e9, 1.0), "steps": 2})
    with pytest.raises(RecipeError, match="reach beyond the chain's range"):
        Trials(model, pairs, 2, tmp_path, print).score(beyond)


@pytest.fixture(scope="module")
def kept(parts, tmp_path_factory):
    """Return a file with one trial."""
    model, pairs = parts
    trials = Trials(model, pairs, 2, tmp_path_factory.mktemp("kept"), print)
    trials.score(model.recipe.sample)
    return trials.file


@pytest.mark.parametrize(
    "content", ["{", "[]", "null", "7", '{"trials": [{"sample": 1}]}', '{"trials": ' + 100_000 * "[", b"\xff"]
)
def test_fault_044_a_damaged_file_is_refused(parts, tmp_path, content):
    model, pairs = parts
    file = Trials(model, pairs, 2, tmp_path, print).file
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(MismatchError, match=r"CD-044 .*holds no trials of a calibration.*Fix: remove it"):
        Trials(model, pairs, 2, tmp_path, print)


def shorten(row):
    row["scores"]["pr"]["crps"].pop()


def forget(row):
    del row["scores"]["pr"]["weight"]


def change(row):
    row["scores"]["pr"]["crps"][0] += 1


def spoil(row):
    row["scores"]["pr"]["crps"][0] = float("nan")


@pytest.mark.parametrize("harm", [shorten, forget, change, spoil, lambda row: row.update(evaluations=1)])
def test_fault_044_trials_that_nobody_scored_are_refused(parts, kept, tmp_path, harm):
    model, pairs = parts
    content = json.loads(kept.read_text())
    harm(content["trials"][0])
    (tmp_path / kept.name).write_text(json.dumps(content))
    with pytest.raises(MismatchError, match=r"CD-044 .*json: is not what a calibration of this .*Fix: remove it"):
        Trials(model, pairs, 2, tmp_path, print)


def test_fault_044_trials_on_other_dates_are_refused(parts, kept, tmp_path):
    model, pairs = parts
    assert len(Trials(model, pairs, 2, kept.parent, print).rows) == 1
    others = pairs.select(np.arange(4))
    shutil.copyfile(kept, Trials(model, others, 2, tmp_path, print).file)
    with pytest.raises(MismatchError, match=r"CD-044 .*on these dates left here"):
        Trials(model, others, 2, tmp_path, print)
