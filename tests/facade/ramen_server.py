"""A ramen server with faults, in a process of its own: ``python ramen_server.py JOURNAL``, which prints its port.

Of each 50 requests one is answered 503, of each 70 one 429, of each 90 one is cut without being taken, of each 110 one
is taken and cut without an answer. What is of data type ``unwanted`` is not wanted: the first of it gets a drop rule.
One journal line a request: what became of it, then path and query.
"""

from __future__ import annotations

import itertools
import os
import socket
import sys
import threading

ACCEPTED = b'{"code":"ACCEPTED","details":null}'
DROPPED = b'{"code":"DROPPED","details":"no","rule":{"data_type":"unwanted"}}'


def converse(connection: socket.socket, counter: itertools.count[int], journal: int) -> None:
    buffer = b""
    with connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while data := connection.recv(65536):
            buffer += data
            head, ended, rest = buffer.partition(b"\r\n\r\n")
            if not ended:
                continue
            wanted = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
            if len(rest) < wanted:
                continue
            target = head.split(b" ", 2)[1]
            buffer = rest[wanted:]
            number = next(counter)
            fate, status, body = b"accepted", 202, ACCEPTED
            if b".unwanted." in target:
                fate, body = b"dropped", DROPPED
            elif number % 50 == 0:
                fate, status = b"later", 503
            elif number % 70 == 0:
                fate, status = b"later", 429
            elif number % 90 == 0:
                fate, status = b"cut", 0
            elif number % 110 == 0:
                fate, status = b"unsaid", 0
            os.write(journal, fate + b" " + target + b"\n")
            if not status:
                return
            connection.sendall(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n" % (status, len(body)) + body)


def main() -> None:
    journal = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    counter = itertools.count(1)
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    print(listener.getsockname()[1], flush=True)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=converse, args=(connection, counter, journal), daemon=True).start()


if __name__ == "__main__":
    main()
