"""Ports of this machine."""

import socket

from infra.localhost import HOST, free_port, listens, may_listen


def test_a_port_in_use_is_not_one_for_administrators():
    with socket.socket() as server:
        server.bind((HOST, 0))
        server.listen()
        port = server.getsockname()[1]
        assert listens(port)
        assert may_listen(port)
    port = free_port()
    assert not listens(port)
    assert may_listen(port)
