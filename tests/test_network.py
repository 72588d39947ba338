"""The whole suite runs without a network: tests/conftest.py refuses every address but this machine's."""

from __future__ import annotations

import socket
import urllib.request

import pytest


@pytest.mark.parametrize("address", [("192.0.2.1", 80), ("2001:db8::1", 80), ("example.org", 443), (b"192.0.2.1", 80)])
@pytest.mark.parametrize("method", ["connect", "connect_ex"])
def test_fault_079_a_socket_to_another_machine_is_refused(address, method):
    family = socket.AF_INET6 if ":" in str(address[0]) else socket.AF_INET
    with socket.socket(family) as client, pytest.raises(pytest.fail.Exception, match="reached for the network"):
        getattr(client, method)(address)


def test_fault_079_no_name_server_is_asked_and_no_handler_hides_it():
    def download():
        try:
            urllib.request.urlopen("https://example.org/coastline.zip")
        except Exception:  # noqa: BLE001 (the careless handler that must not hide it)
            return None

    with pytest.raises(pytest.fail.Exception, match=r"example\.org"):
        download()


def test_fault_079_loopback_stays_open_for_local_servers():
    with socket.create_server(("127.0.0.1", 0)) as server:
        host, port = server.getsockname()
        for name in (host, "localhost"):
            with socket.create_connection((name, port), timeout=1) as client:
                assert client.getpeername() == (host, port)
