"""What the exit asks before it loads anything, and whose locks a fork lets go."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from typing import Any

from footfall import lifecycle
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


def test_two_threads_that_fork_let_go_of_what_each_took() -> None:
    """One may take the locks in the very moment in which the other releases them; another's lock cannot be released."""
    hooks, released = lifecycle._Hooks(), list[bool]()

    class Here:
        def before_fork(self) -> Callable[[], None]:
            taker = threading.get_ident()

            def release() -> None:
                released.append(threading.get_ident() == taker)
                if len(released) == 1:
                    other = threading.Thread(target=hooks.before_fork)
                    other.start()
                    other.join()

            return release

    here: Any = Here()
    hooks.current = lambda: here
    hooks.before_fork()
    hooks.after_fork_in_parent()
    assert released == [True]
