"""APNs: h2's connection, minded for long-lived connections with hundreds of streams. Pure protocol, no socket.

Three things differ from h2 as it comes: streams up to a GOAWAY's last one go on (RFC 9113 section 6.8), counting open
streams costs nothing, and so does Huffman coding.
"""

from __future__ import annotations

from collections.abc import Sized
from typing import Any, Final

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, Event
from h2.settings import SettingCodes, Settings
from hpack import Encoder
from hyperframe.frame import Frame, GoAwayFrame

_SWEEP: Final = 128
_CONFIG: Final = H2Configuration(
    client_side=True,
    # Ours are made right, and in lower case (apns_message.py).
    validate_outbound_headers=False,
    normalize_outbound_headers=False,
    # Of an answer only two headers are read, with care.
    validate_inbound_headers=False,
    normalize_inbound_headers=False,
)


class _Plain(Encoder):
    """HPACK without Huffman coding: half the work for a few more bytes, since tokens and ids hardly shrink."""

    def encode(self, headers: Any, huffman: bool = False) -> bytes:  # noqa: ARG002
        return super().encode(headers, huffman=False)


class Http2(H2Connection):
    """Args:
    under_way: the client's open streams, of which there are `len(under_way)`.
    """

    def __init__(self, under_way: Sized) -> None:
        super().__init__(_CONFIG)
        self._under_way = under_way
        self.encoder = _Plain()
        self.local_settings = Settings(client=True, initial_values={SettingCodes.ENABLE_PUSH: 0})

    @property
    def open_outbound_streams(self) -> int:
        """h2 walks over all streams to count them, for each new one; the walk also forgets those that have ended."""
        if len(self.streams) > 2 * len(self._under_way) + _SWEEP:
            self._open_streams(1)
        return len(self._under_way)

    def _receive_goaway_frame(self, frame: GoAwayFrame) -> tuple[list[Frame], list[Event]]:
        event: Any = ConnectionTerminated()
        event.error_code = frame.error_code
        event.last_stream_id = frame.last_stream_id
        event.additional_data = frame.additional_data
        return [], [event]
