"""The message queue's engine: lanes with strict levels, retries and delays on NATS JetStream.

`queue.py` is the port; `link.py` the connection, `topology.py` the streams, `publishing.py` and `packing.py` the way
in, `lane_puller.py`, `source.py` and `envelope.py` the way out, `lane_states.py` the measuring.
"""

from heliograph.backends.jetstream.link import NatsLink
from heliograph.backends.jetstream.queue import JetStreamQueue

__all__ = ["JetStreamQueue", "NatsLink"]
