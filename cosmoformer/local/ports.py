"""The ports of one machine's system: all looked at before anything is started."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cosmoformer.errors import PermanentError, SettingsError
from cosmoformer.local import parts
from cosmoformer.local.process import is_left_over, port_is_free
from cosmoformer.local.supervisor import Supervisor
from cosmoformer.settings import Settings


def check_ports(settings: Settings, folder: Path, supervisor: Supervisor, own_store: bool) -> None:
    """Nothing, when no other program has a port of ours; what an earlier run left behind does not count.

    Raises:
        SettingsError: some are taken. It names them all, and others, so that a second system is told at once what to change.
    """
    records = {f"{name.upper()}_PORT": supervisor.record(name) for name in parts.NAMES}
    if own_store:
        records["STORE_PORT"] = folder / "ceph" / "run" / "rgw.json"
    ports = {name: int(getattr(settings, name.lower())) for name in records}
    taken = [name for name in ports if not port_is_free(ports[name]) and not is_left_over(records[name])]
    if taken:
        listed = ", ".join(f"{ports[name]} ({name})" for name in taken)
        instead = " ".join(f"{name}={port}" for name, port in other_ports(ports).items() if name in taken)
        raise SettingsError(
            f"other programs, or another `cosmoformer up`, have the ports {listed}",
            f"End them, or choose other ports: `{instead} cosmoformer up`",
        )


def other_ports(ports: Mapping[str, int]) -> dict[str, int]:
    """Free ports in the place of others, all moved by the same number, so that they stay easy to remember.

    Raises:
        PermanentError: none were found.
    """
    for shift in range(100, 20_001, 100):
        moved = {name: port + shift for name, port in ports.items()}
        if all(port < 65536 and port_is_free(port) for port in moved.values()):
            return moved
    raise PermanentError("no free ports on 127.0.0.1 within 20,000 of the configured ones")
