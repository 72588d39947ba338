"""A short sound recipe to spoil, and a way to read all problems of one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from climdiff.errors import ClimdiffError, Problem
from climdiff.recipe.load import load

SOUND = """\
name: demo
data:
  coarse: world/coarse
  fine: world/fine
  predictors: [pr, psl]
  targets: [pr]
  split:
    train: [1991-01-01, 2002-12-31]
    validation: [2003-01-10, 2004-12-31]
    test: [2005-01-10, 2006-12-31]
transforms:
  targets:
    pr: [cube_root, residual, standardize]
train:
  steps: 2000
"""

Spoil = Callable[..., list[Problem]]


@pytest.fixture
def sound() -> str:
    """Return the text of a recipe with nothing wrong; `steps` is on its line 15."""
    return SOUND


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def spoil(folder: Path) -> Spoil:
    """Return a function that replaces a part of the sound recipe and returns all problems of the file `r.yaml`."""

    def problems(old: str = "", new: str = "", overrides: Sequence[str] = ()) -> list[Problem]:
        assert old in SOUND
        Path("r.yaml").write_text(SOUND.replace(old, new, 1) if old else SOUND + new)
        with pytest.raises(ClimdiffError) as caught:
            load(Path("r.yaml"), overrides)
        assert [path.name for path in folder.iterdir()] == ["r.yaml"]
        return list(caught.value.problems)

    return problems
