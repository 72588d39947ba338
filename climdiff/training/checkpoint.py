"""Checkpoints: one directory renamed into place, safetensors and JSON, every file hashed, no pickle.

    <folder>/step-00001000/  weights.safetensors  average.safetensors  optimizer.safetensors  meta.json

`meta.json` is written last and holds the step, the validation score if there was one, what the run is (`identity`)
and the SHA-256 of the other files. A directory without it, or under a temporary name, is not a checkpoint.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from climdiff.errors import MismatchError, Problem, RetryError, remedy

FORMAT = 1
PARTS = ("weights", "average", "optimizer")
OLDER = "remove this checkpoint to fall back to an older one"
AGAIN = "run the same command again, `climdiff train` and `distill` with --resume"
Tensors = Mapping[str, Tensor]


class Header(BaseModel):
    """What every `meta.json` begins with, also one of a newer format."""

    model_config = ConfigDict(strict=True)

    format: int


class Meta(Header):
    """All of a `meta.json`."""

    step: Annotated[int, Field(ge=0)]
    score: float | None
    identity: dict[str, Any]
    sha256: dict[str, str]


@dataclass(frozen=True)
class Checkpoint:
    """A complete checkpoint on disk; `score` is the validation score (lower is better) or None."""

    path: Path
    step: int
    score: float | None
    identity: Mapping[str, Any]


def save(
    folder: Path, step: int, parts: Mapping[str, Tensors], identity: Mapping[str, Any], score: float | None
) -> Path:
    """Write the checkpoint of `step` and return its directory, which appears whole or not at all.

    Args:
        folder: Directory of all checkpoints of a run; created if absent.
        step: Optimizer steps done.
        parts: Named tensors of each part: `PARTS`, and those of networks that serve the training only.
        identity: What the run is; compared when it is resumed.
        score: Validation score at this step, if it was validated.

    Raises:
        RetryError: CD-052, it cannot be written, as on a full disk; nothing of it is left.
    """
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"step-{step:08d}"
    building = Path(tempfile.mkdtemp(prefix=".saving-", dir=folder))
    hashes = {}
    try:
        for name, tensors in parts.items():
            file = building / f"{name}.safetensors"
            save_tensors(file, tensors)
            hashes[file.name] = sha256(file)
        meta = {"format": FORMAT, "step": step, "score": score, "identity": dict(identity), "sha256": hashes}
        (building / "meta.json").write_text(json.dumps(meta, indent=1))
    except OSError as error:
        shutil.rmtree(building)
        raise RetryError(_unsaved(target, parts, error)) from error
    if target.exists():
        shutil.rmtree(target)
    building.chmod(0o755)
    building.replace(target)
    return target


def _unsaved(target: Path, parts: Mapping[str, Tensors], error: OSError) -> Problem:
    """Return what is to be said of a checkpoint that could not be written."""
    needed = sum(tensor.nbytes for tensors in parts.values() for tensor in tensors.values())
    what = f"cannot be written ({error.strerror}): {needed:,} bytes needed"
    if error.errno != errno.EFBIG:
        what += f", {shutil.disk_usage(target.parent).free:,} free"
    before = complete(target.parent)
    then = (
        f"{AGAIN}: that of step {before[-1].step} is kept" if before else "run the same command again: none is kept yet"
    )
    return Problem(52, str(target), what, f"{remedy(error)}, then {then}")


def sweep(folder: Path) -> None:
    """Remove what an interrupted `save` left under its temporary name."""
    for leftover in folder.glob(".saving-*"):
        shutil.rmtree(leftover)


def complete(folder: Path) -> list[Checkpoint]:
    """Return the complete checkpoints under `folder`, ordered by the step in their `meta.json`."""
    found = []
    for meta_file in folder.glob("step-*/meta.json"):
        meta = _read_meta(meta_file)
        found.append(Checkpoint(meta_file.parent, meta["step"], meta["score"], meta["identity"]))
    return sorted(found, key=lambda checkpoint: checkpoint.step)


def best(checkpoints: list[Checkpoint]) -> Checkpoint | None:
    """Return the checkpoint with the lowest score, the later one of equals; None where none was validated."""
    scored = [(found.score, -found.step, found) for found in checkpoints if found.score is not None]
    return min(scored, key=lambda entry: entry[:2])[2] if scored else None


def retain(folder: Path, newest: int) -> None:
    """Remove all checkpoints under `folder` but the `newest` last ones and the best."""
    checkpoints = complete(folder)
    favorite = best(checkpoints)
    for checkpoint in checkpoints[:-newest]:
        if favorite is None or checkpoint.path != favorite.path:
            shutil.rmtree(checkpoint.path)


def load(checkpoint: Checkpoint, part: str) -> dict[str, Tensor]:
    """Return the tensors of one part, one of `PARTS` or of those saved beside them.

    Raises:
        MismatchError: CD-049 where the file is not the one that was saved, CD-048 where it cannot be read, CD-050
            where the checkpoint does not name it.
    """
    file = checkpoint.path / f"{part}.safetensors"
    meta = checkpoint.path / "meta.json"
    expected = _read_meta(meta)["sha256"].get(file.name)
    if expected is None:
        raise MismatchError(Problem(50, str(meta), f"lacks the SHA-256 of {file.name}", OLDER))
    return load_hashed(file, expected)


def load_hashed(file: Path, expected: str) -> dict[str, Tensor]:
    """Return the tensors of the safetensors file `file`, whose SHA-256 must be `expected`.

    Raises:
        MismatchError: CD-049 or CD-048 as in `load`.
    """
    fix = "restore it from a copy, or remove this checkpoint to fall back to an older one"
    if not file.is_file():
        raise MismatchError(Problem(48, str(file), "the file is absent", fix))
    found = sha256(file)
    if found != expected:
        what = f"SHA-256 is {found[:16]}..., expected {expected[:16]}... as saved"
        raise MismatchError(Problem(49, str(file), what, fix))
    try:
        return load_file(file)
    except SafetensorError as error:
        raise MismatchError(Problem(48, str(file), f"not a sound safetensors file ({error})", fix)) from error


def save_tensors(file: Path, tensors: Tensors) -> None:
    """Write tensors to a safetensors file.

    Raises:
        OSError: it cannot be written, as on a full disk.
    """
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    try:
        save_file(plain, file)
    except SafetensorError as error:
        number = re.search(r"os error (\d+)", str(error))  # all that is left of the trouble
        code = int(number[1]) if number else errno.EIO
        raise OSError(code, os.strerror(code), str(file)) from error


def sha256(file: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _read_meta(file: Path) -> dict[str, Any]:
    try:
        meta = json.loads(file.read_text())
        Header.model_validate(meta)
        if meta["format"] > FORMAT:
            what = f"format {meta['format']} is newer than {FORMAT}, the newest this climdiff knows"
            raise MismatchError(Problem(55, str(file), what, "install a newer climdiff"))
        return Meta.model_validate(meta).model_dump()
    except ValidationError as error:
        first = error.errors()[0]
        at = ".".join(map(str, first["loc"])) or "it"
        what = f"is no record of a checkpoint ({at}: {first['msg']})"
        raise MismatchError(Problem(50, str(file), what, OLDER)) from error
    except (OSError, ValueError) as error:
        raise MismatchError(Problem(50, str(file), f"cannot be read ({error})", OLDER)) from error
