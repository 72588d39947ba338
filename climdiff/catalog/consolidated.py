"""Whether a zarr store on this machine has its metadata in one place.

xarray that is not told looks for them and warns where there are none; told there are none, it lists the store's
folder and warns of everything in it that is not zarr's.
"""

from __future__ import annotations

import json
from pathlib import Path


def is_consolidated(path: Path) -> bool:
    """Return whether the store at `path` (zarr 2 or 3) has the metadata of all its arrays in its root.

    A `zarr.json` that cannot be read has none; opening the store tells what is wrong with it.
    """
    if (path / ".zmetadata").is_file():
        return True
    try:
        root = json.loads((path / "zarr.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(root, dict) and bool(root.get("consolidated_metadata"))
