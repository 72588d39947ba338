"""The files of a store before the first value, as bytes: a pure function of the template and the plan.

Making a store writes them; adding members makes them again for more members and puts those that differ in place. A run
that was killed in between is mended by doing the same again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr
from pydantic_core import from_json
from zarr.codecs import Crc32cCodec, ZstdCodec
from zarr.storage import MemoryStore

from climdiff.errors import MismatchError, Problem
from climdiff.generation.plan import Plan, Unit, chunk_shape, unit_files
from climdiff.generation.receipts import FOLDER, sha256, to_bytes
from climdiff.generation.records import PlanRecord
from climdiff.generation.template import Template, coordinate_dataset, fingerprint, plain

FORMAT = 1
PLAN_FILE = f"{FOLDER}/plan.json"
LEVEL = 3
INFORMATIVE = ("version", "recipe")
"""Provenance that tells where values come from but may change without changing them."""
CODECS: dict[str, Any] = {
    "dtype": "float32",
    "fill_value": np.nan,
    "compressors": [ZstdCodec(level=LEVEL), Crc32cCodec()],
}
"""How fields are stored: zstd, then crc32c, because zarr alone returns a flipped bit as a number."""


@dataclass(frozen=True)
class Skeleton:
    """A store without values: its plan, the chunk sizes of its variables, its files and what it is for."""

    plan: Plan
    variables: tuple[str, ...]
    shape: tuple[int, int]
    chunks: tuple[int, ...]
    files: Mapping[str, bytes]
    record: Mapping[str, Any]

    def unit_files(self, unit: Unit) -> set[str]:
        """Return the chunk files that a unit owns, path below the store."""
        return unit_files(unit, self.variables, self.chunks, self.shape)

    def all_files(self) -> dict[str, bytes]:
        """Return every file in the order in which they may be replaced: the root and the plan last."""
        arrays = {name: self.files[name] for name in sorted(self.files) if name != "zarr.json"}
        return arrays | {"zarr.json": self.files["zarr.json"], PLAN_FILE: to_bytes(self.record)}


def build_skeleton(
    template: Template,
    times: xr.DataArray,
    plan: Plan,
    chunks: Mapping[str, int] | None,
    provenance: Mapping[str, Any],
    attributes: Mapping[str, Any] | None = None,
) -> Skeleton:
    """Return the skeleton of a store; `attributes` are global attributes to keep from an existing one.

    Raises:
        RecipeError: CD-072, chunks do not fit the units.
    """
    coordinates = coordinate_dataset(template, times, plan.n_members)
    shape = (plan.n_members, plan.n_times, *template.shape)
    sizes = chunk_shape(plan, template.dims, shape, chunks)
    attributes = dict(sorted((attributes or template.global_attributes(provenance)).items()))
    files: dict[str, Any] = {}
    root = zarr.create_group(MemoryStore(files), zarr_format=3)
    for name, values in coordinates.variables.items():
        data = values.values
        array = root.create_array(
            str(name),
            shape=data.shape,
            chunks=data.shape,
            dtype=data.dtype,
            compressors=CODECS["compressors"],
            dimension_names=[str(dim) for dim in values.dims],
            attributes=dict(values.attrs),
            config={"write_empty_chunks": True},
        )
        array[...] = data
    for name in template.variables:
        root.create_array(
            name,
            shape=shape,
            chunks=sizes,
            dimension_names=template.dims,
            attributes=template.variable_attributes(name),
            **CODECS,
        )
    content = {name: bytes(buffer.to_bytes()) for name, buffer in files.items()}
    content["zarr.json"] = _root(content, attributes)
    record = {
        "format": FORMAT,
        "identity": {
            "variables": {name: template.variable_attributes(name) for name in template.variables},
            "grid": fingerprint(coordinates.drop_vars(["realization", "time"])),
            "times": fingerprint(coordinates[["time"]]),
            "n_times": plan.n_times,
            "times_per_unit": plan.times_per_unit,
            "members_per_unit": plan.members_per_unit,
            "chunks": list(sizes),
            **plain(provenance),
        },
        "members": plan.n_members,
        "attributes": attributes,
        "files": {name: sha256(data) for name, data in content.items()},
    }
    record["sha256"] = _seal(record)
    return Skeleton(plan, tuple(template.variables), template.shape, sizes, content, record)


def read_record(path: Path) -> dict[str, Any] | None:
    """Return what an existing store is for, None if there is nothing yet.

    Raises:
        MismatchError: CD-044, something else is there; CD-006, the record is damaged.
    """
    fix = "give another output path; climdiff deletes nothing it did not make"
    if path.is_dir():
        if not any(path.iterdir()):
            return None
    elif path.exists() or path.is_symlink():
        raise MismatchError(Problem(44, str(path), "output path is a file, expected a climdiff store or nothing", fix))
    else:
        return None
    try:
        record: dict[str, Any] = from_json((path / PLAN_FILE).read_bytes())
        version = record["format"]
        if version == FORMAT and PlanRecord.model_validate(record).sha256 not in (None, _seal(record)):
            raise ValueError("it was changed since")
        if type(version) is not int:
            raise ValueError(f"format {version!r}, expected a whole number")
    except FileNotFoundError:
        what = f"folder is not empty and has no {PLAN_FILE}, so it is not a climdiff store"
        raise MismatchError(Problem(44, str(path), what, fix)) from None
    except (ValueError, KeyError, TypeError) as error:
        what = f"not the record of a climdiff store ({' '.join(str(error).partition(' [type=')[0].split())[:200]})"
        raise MismatchError(Problem(6, str(path / PLAN_FILE), what, "restore it from a copy, or " + fix)) from error
    if version != FORMAT:
        what = f"store has format {version}, this climdiff reads format {FORMAT}"
        raise MismatchError(Problem(44, str(path), what, "use the climdiff version named in the store's attributes"))
    return record


def differences(recorded: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """Return how two records differ in what makes the values, `INFORMATIVE` apart: `seed: store 0, asked 1`."""
    old, new = recorded["identity"], wanted["identity"]
    found = []
    for key in sorted(set(old) | set(new)):
        if key not in INFORMATIVE and old.get(key) != new.get(key):
            found.append(f"{key}: store {_brief(old.get(key))}, asked {_brief(new.get(key))}")
    if recorded["members"] > wanted["members"]:
        found.append(f"members: store {recorded['members']}, asked {wanted['members']}")
    return found


def _seal(record: Mapping[str, Any]) -> str:
    """Return the hash of all else in a plan, so that no number of it can change unseen."""
    return sha256(to_bytes({key: value for key, value in record.items() if key != "sha256"}))


def _root(files: Mapping[str, bytes], attributes: Mapping[str, Any]) -> bytes:
    """Return the group's metadata with those of all arrays inside, in a fixed order."""
    names = sorted(name for name in files if name.endswith("/zarr.json"))
    metadata = {name.removesuffix("/zarr.json"): json.loads(files[name]) for name in names}
    consolidated = {"kind": "inline", "must_understand": False, "metadata": metadata}
    group = {"zarr_format": 3, "node_type": "group", "attributes": attributes, "consolidated_metadata": consolidated}
    return (json.dumps(group, indent=2) + "\n").encode()


def _brief(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    text = "none" if text in ("null", "") else text
    return text if len(text) <= 60 else f"{text[:57]}..."
