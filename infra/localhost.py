"""Servers on this machine: free ports, whether one listens, and HTTP without proxies."""

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
    """Whether a server on loopback listens on this port."""
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def may_listen(port: int) -> bool:
    """Whether the system lets this user listen on a port of loopback; also where a server listens there already."""
    with socket.socket() as probe:
        try:
            probe.bind((HOST, port))
        except PermissionError:
            return False
        except OSError:
            return True
    return True


def direct_session() -> requests.Session:
    """For requests to loopback, which must not go through a proxy."""
    session = requests.Session()
    session.trust_env = False
    return session
