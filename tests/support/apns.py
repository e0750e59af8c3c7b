"""An APNs provider of ours, pointed at a running lab."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from heliograph.core.ports import Clock
from heliograph.lab.apns_identity import KEY_ID, TEAM_ID, TOPIC
from heliograph.lab.server import Lab
from heliograph.providers.apns import Apns
from heliograph.providers.apns_pool import ApnsPool
from heliograph.providers.waiting import wall_clock


def apns_of(
    lab: Lab, folder: Path, *, timeout_s: float = 10.0, clock: Clock = wall_clock, topic: str = TOPIC, **pool: Any
) -> Apns:
    """`pool`: further arguments of `ApnsPool`."""
    ca, key = lab.apns.service.identity.write(folder)
    connections = ApnsPool(lab.apns_url, str(ca), timeout_s=timeout_s, **pool)
    return Apns(connections, key.read_bytes(), KEY_ID, TEAM_ID, topic, timeout_s=timeout_s, clock=clock)
