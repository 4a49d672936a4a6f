"""Servers on this machine: whether one listens, where one may, and how one is asked."""

import socket

import requests

HOST = "127.0.0.1"


def free_port() -> int:
    """A port on loopback that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def listens(port: int) -> bool:
    """Whether anything on loopback does on this port."""
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def direct_session() -> requests.Session:
    """For requests to loopback: no proxy stands between this machine and itself."""
    session = requests.Session()
    session.trust_env = False
    return session
