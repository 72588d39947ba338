from __future__ import annotations

import re

import pytest

from climdiff.catalog.locations import is_remote, local_paths, netcdf_problem
from climdiff.errors import DataError, SecurityError


@pytest.fixture
def root(tmp_path, monkeypatch):
    folder = tmp_path / "data"
    (folder / "set").mkdir(parents=True)
    (folder / "set" / "b_10.nc").write_bytes(b"CDF\x01" + bytes(28))
    (folder / "set" / "b_2.nc").write_bytes(b"\x89HDF\r\n\x1a\nrest")
    monkeypatch.setenv("CLIMDIFF_DATA", str(folder))
    return folder


def test_a_path_and_a_pattern_are_found_below_the_declared_folder(root):
    assert local_paths("set/b_2.nc", "set/fine") == [root / "set" / "b_2.nc"]
    assert [path.name for path in local_paths("set/b_*.nc", "set/fine")] == ["b_10.nc", "b_2.nc"]
    assert netcdf_problem(root / "set" / "b_2.nc") is None
    assert netcdf_problem(root / "set" / "b_10.nc") is None


@pytest.mark.parametrize("urlpath", ["../secret.nc", "/etc/passwd", "set/../../secret.nc", "a\0b", "x" * 5000])
def test_fault_042_a_path_out_of_the_folder_is_refused(root, urlpath):
    (root.parent / "secret.nc").write_bytes(b"CDF\x01")
    with pytest.raises(SecurityError, match=r"CD-042 set/fine: urlpath .* is not a plain path below CLIMDIFF_DATA"):
        local_paths(urlpath, "set/fine")


@pytest.mark.parametrize("urlpath", ["set/link.nc", "set/l*.nc", "way/secret.nc"])
def test_fault_042_a_link_out_of_the_folder_is_refused(root, urlpath):
    (root.parent / "secret.nc").write_bytes(b"CDF\x01")
    (root / "set" / "link.nc").symlink_to(root.parent / "secret.nc")
    (root / "way").symlink_to(root.parent)
    with pytest.raises(SecurityError, match=r"CD-042 .* leads out of .* Fix: keep the data inside CLIMDIFF_DATA"):
        local_paths(urlpath, "set/fine")


def test_fault_012_what_is_not_there_is_named(root):
    for urlpath in ("set/none.nc", "set/none*.nc"):
        with pytest.raises(DataError, match=r"CD-012 set/fine: no such file or store: .*/data/set/none.*now .*/data"):
            local_paths(urlpath, "set/fine")
    assert "CD-012" in str(netcdf_problem(root / "set"))


@pytest.mark.parametrize("address", ["https://host/x.zarr", "s3://bucket/x.zarr", "gs://b/x", "az://b/x"])
def test_remote_stores_have_an_allowed_scheme(address):
    assert is_remote(address, "set/fine")
    assert not is_remote("set/x.zarr", "set/fine")


@pytest.mark.parametrize(
    "address",
    ["file:///etc/passwd", "http://host/x", "simplecache::https://h/x", "ssh://h/x", "reference://x", "C:x.nc"],
)
def test_fault_s5_other_schemes_and_chains_are_refused(address):
    with pytest.raises(SecurityError, match="CD-042"):
        is_remote(address, "set/fine")


def test_fault_s8_a_password_in_an_address_is_refused_and_not_repeated():
    with pytest.raises(SecurityError, match="CD-042") as caught:
        is_remote("https://user:hunter2@host/x.zarr", "set/fine")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "found"), [(b"<!DOCTYPE html><", "<!DOCTYPE html><"), (b"\x1f\x8b\x08", "x1f"), (b"", "is empty")]
)
def test_fault_008_a_file_that_is_no_netcdf_says_how_it_starts(tmp_path, content, found):
    path = tmp_path / "page.nc"
    path.write_bytes(content)
    message = str(netcdf_problem(path))
    assert message.startswith(f"CD-008 {path}: not a netCDF file") and found in message
    assert message.endswith("Fix: download it again.")


@pytest.mark.parametrize(("kept", "what"), [(0.5, r"\d+ bytes, its header promises 4064"), (0.05, "in its header")])
def test_fault_007_a_classic_file_cut_short_is_refused(tmp_path, days, kept, what):
    path = tmp_path / "a.nc"
    days().to_netcdf(path, format="NETCDF3_64BIT")
    assert netcdf_problem(path) is None
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    problem = netcdf_problem(path)
    assert problem.code == 7
    assert re.search(what, problem.what)


def test_fault_008_a_classic_file_with_another_header_is_refused(tmp_path, days):
    path = tmp_path / "a.nc"
    days().to_netcdf(path, format="NETCDF3_64BIT")
    content = bytearray(path.read_bytes())
    at = content.index(b"pr\0\0") + 4
    content[at + 7] = 99  # the number of its first dimension
    path.write_bytes(content)
    assert str(netcdf_problem(path)).startswith(f"CD-008 {path}: has no header of a classic netCDF file")
