import matplotlib
import pytest

from climdiff.report.style import styled


def test_the_style_is_gone_after_drawing() -> None:
    before = dict(matplotlib.rcParams)
    with styled():
        assert matplotlib.rcParams["font.size"] == 7
    assert dict(matplotlib.rcParams) == before


def test_the_style_is_gone_after_a_failure() -> None:
    before = matplotlib.rcParams["font.size"]
    with pytest.raises(RuntimeError), styled():
        raise RuntimeError
    assert matplotlib.rcParams["font.size"] == before
