"""What the exit asks before it loads anything."""

from __future__ import annotations

import socket

from footfall.background import accepts_connections


def test_a_listener_is_found_and_a_closed_port_is_not() -> None:
    """One connection tells; nothing is sent."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert accepts_connections(f"http://127.0.0.1:{port}/x", {})
    assert not accepts_connections(f"http://127.0.0.1:{port}/x", {})
    assert not accepts_connections(f"http://localhost:{port}", {"HTTP_PROXY": "http://proxy.invalid"})


def test_names_are_not_resolved_and_proxies_not_guessed() -> None:
    """Resolution can take as long as it likes, so the exit leaves it to the thread that has a budget."""
    assert accepts_connections("https://usage.invalid", {})
    assert accepts_connections("https://192.0.2.1", {"https_proxy": "http://127.0.0.1:9"})
