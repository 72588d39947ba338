"""Arguments as a shell hands them over: empty ones and lists in pieces are refused with the remedy."""

from __future__ import annotations

import pytest

from climdiff.commands.arguments import refuse_empty, refuse_unclosed
from climdiff.errors import RecipeError


@pytest.mark.parametrize(
    ("arguments", "what"),
    [(["generate", ""], "the argument after 'generate' is empty"), (["generate", "--out="], "'--out=' is empty")],
)
def test_fault_037_an_empty_argument_is_refused(arguments, what):
    with pytest.raises(RecipeError, match=rf"CD-037 command line: {what}\. Fix: give a value"):
        refuse_empty(arguments)


@pytest.mark.parametrize(
    ("arguments", "what", "fix"),
    [
        (
            ["verify", "a.zarr", "verify.baselines=[bilinear,", "analogs,", "crps]", "report.maps=1"],
            "'verify.baselines=[bilinear,' opens with [ and does not end with ]",
            "quote the argument: 'verify.baselines=[bilinear, analogs, crps]'.",
        ),
        (
            ["train", "r.yaml", "data.options={size:", "32}"],
            "'data.options={size:' opens with { and does not end with }",
            "quote the argument: 'data.options={size: 32}'.",
        ),
        (["verify", "a=[b", "c"], "'a=[b' opens with [ and does not end with ]", "end it with ]."),
    ],
)
def test_fault_037_a_list_that_the_shell_took_apart_is_to_be_quoted(arguments, what, fix):
    with pytest.raises(RecipeError) as caught:
        refuse_unclosed(arguments)
    assert str(caught.value) == f"CD-037 command line: {what}. Fix: {fix}"


def test_what_is_whole_passes():
    refuse_unclosed(["verify", "[odd].zarr", "a=[b, c]", "a={b: [c]}", "--require", "pr: crps_fair < x", "a=", "a=b]"])
