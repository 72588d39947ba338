"""Shared fixtures: where real data are, and no network beyond this machine."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from climdiff.recipe.load import load
from climdiff.recipe.schema import Recipe

# A busy machine is no counterexample. Everything else stays as it is, in CI with its fixed draws.
settings.register_profile("unhurried", settings(), deadline=None)
settings.load_profile("unhurried")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Return the folder of real test data; skip with a reason where it is absent."""
    named = os.environ.get("CLIMDIFF_TEST_DATA")
    folder = Path(named) if named else Path(__file__).parents[2] / "shared" / "data"
    if not (folder / "radar2km_dev").is_dir():
        pytest.skip(f"no real data at {folder}: set CLIMDIFF_TEST_DATA")
    return folder


@pytest.fixture(scope="session")
def minute() -> tuple[str, ...]:
    """Return the overrides that turn recipes/tiny.yaml into a matter of seconds."""
    return (
        "name=minute",
        "data.options={size: 16, factor: 4, start: 1999-01-01, end: 2001-12-31}",
        "data.split.train=[1999-01-01, 1999-12-31]",
        "data.split.validation=[2000-02-01, 2000-03-01]",
        "data.split.test=[2001-02-01, 2001-02-20]",
        "model.channels=16",
        "train.steps=6",
        "train.batch_size=4",
        "train.validate_every=3",
        "train.checkpoint_every=2",
        "train.log_every=2",
        "train.validation_times=4",
        "sample.steps=2",
        "generate={members: 4, members_per_unit: 2, times_per_unit: 8, micro_batch: 8}",
    )


@pytest.fixture(scope="session")
def minute_recipe(minute: tuple[str, ...]) -> Recipe:
    """Return a recipe of the embedded world that trains in a few seconds."""
    return load(Path("recipes/tiny.yaml"), minute)


@pytest.fixture(scope="session")
def trained(minute_recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a finished training; tests that change it work on a copy."""
    from climdiff.workflow.training import train

    folder = tmp_path_factory.mktemp("runs") / minute_recipe.name
    train(minute_recipe, folder)
    return folder


def is_loopback(host: object) -> bool:
    """Return whether a host given to a socket is this machine itself."""
    if isinstance(host, bytes):
        host = host.decode()
    if host in (None, "", "localhost"):
        return True
    try:
        return ipaddress.ip_address(str(host)).is_loopback
    except ValueError:
        return False


def refuse(host: object) -> None:
    """Fail the test that reaches for `host`; no `except Exception` on the way can hide it."""
    if not is_loopback(host):
        pytest.fail(f"a test reached for the network: {host!r}. Fix: serve what it needs from 127.0.0.1")


def guarded(connect: Callable[..., Any]) -> Callable[..., Any]:
    """Return a socket method that connects only to this machine."""

    def connect_here(self: socket.socket, address: Any) -> Any:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            refuse(address[0])
        return connect(self, address)

    return connect_here


def guarded_lookup(lookup: Callable[..., Any]) -> Callable[..., Any]:
    """Return a name lookup that asks no name server about another machine."""

    def lookup_here(host: Any, *args: Any, **kwargs: Any) -> Any:
        refuse(host)
        return lookup(host, *args, **kwargs)

    return lookup_here


# From here on, while tests are collected too. Processes started by tests and C libraries are not watched.
socket.socket.connect = guarded(socket.socket.connect)
socket.socket.connect_ex = guarded(socket.socket.connect_ex)
socket.getaddrinfo = guarded_lookup(socket.getaddrinfo)
