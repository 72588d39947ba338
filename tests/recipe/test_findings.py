"""Findings on their way through pydantic."""

from __future__ import annotations

from climdiff.recipe.findings import Finding, refuse


def test_a_refusal_reads_well_and_keeps_its_findings() -> None:
    findings = (Finding("is {wrong}", "mend it", ("a", 0)), Finding("too", "mend", code=43))
    error = refuse(*findings)
    assert error.message() == "a.0.is {wrong}; too"
    assert error.context is not None and error.context["findings"] == findings
