"""climdiff: probabilistic high-resolution climate fields with conditional diffusion models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from climdiff.bundle import load
    from climdiff.catalog.entries import open_part

__version__ = "0.1.0"
__all__ = ["__version__", "load", "open_part"]


def __getattr__(name: str) -> Any:
    """Return a public name, importing the module behind it on first use (PEP 562)."""
    if name == "load":
        from climdiff.bundle import load

        return load
    if name == "open_part":
        from climdiff.catalog.entries import open_part

        return open_part
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
