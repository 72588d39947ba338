"""What a store writes is what its records may hold; types are not guessed and keys not invented."""

from __future__ import annotations

from types import ModuleType

import pytest
from pydantic import ValidationError

from climdiff.generation.plan import Plan
from climdiff.generation.receipts import Receipt, sha256
from climdiff.generation.records import PlanRecord, ReceiptRecord
from climdiff.generation.skeleton import build_skeleton


def test_plans_and_receipts_as_they_are_written_pass(fakes: ModuleType) -> None:
    made = build_skeleton(fakes.rotated_template(), fakes.coarse_world()["time"], Plan(7, 4, 3, 2), None, {"seed": 1})
    assert PlanRecord.model_validate(made.record).model_dump(mode="json") == made.record
    content = Receipt("t000000-m0000", 2, {"pr/c/0/0/0/0": (3, sha256(b"abc"))}).to_json()
    assert ReceiptRecord.model_validate_json(content).members == 2


@pytest.mark.parametrize(
    "name", ["pr", "pr/c/0/0/0", "a/pr/c/0/0/0/0", "/pr/c/0/0/0/0", "pr/c/0/0/0/x", "pr/c/0/0/0/0\n"]
)
def test_a_file_that_is_no_chunk_is_in_no_receipt(name: str) -> None:
    with pytest.raises(ValidationError):
        ReceiptRecord.model_validate(
            {"unit": "t000000-m0000", "members": 2, "files": {name: {"size": 1, "sha256": "0" * 64}}}
        )
