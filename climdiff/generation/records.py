"""What may be in the JSON files of a store, its plan and its receipts: checked before anything of it is used."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=1, lt=2**31)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
ChunkFile = Annotated[str, Field(pattern=r"^[^/]+/c(/[0-9]{1,10}){4}$")]


class Record(BaseModel):
    """A part of a file: strict (no guessed type), closed (no unknown key)."""

    model_config = ConfigDict(strict=True, extra="forbid")


class FileRecord(Record):
    """A file of a unit."""

    size: Annotated[int, Field(ge=0)]
    sha256: Digest


class ReceiptRecord(Record):
    """A receipt."""

    unit: str
    members: Count
    files: dict[ChunkFile, FileRecord]


class Identity(Record):
    """What makes the values of a store; provenance stands beside these keys."""

    model_config = ConfigDict(extra="allow")

    variables: dict[str, dict[str, Any]]
    grid: Digest
    times: Digest
    n_times: Count
    times_per_unit: Count
    members_per_unit: Count
    chunks: Annotated[list[Count], Field(min_length=4, max_length=4)]


class PlanRecord(Record):
    """A plan; those of old stores have no hash of the rest."""

    format: int
    identity: Identity
    members: Count
    attributes: dict[str, Any]
    files: dict[str, Digest]
    sha256: Digest | None = None
