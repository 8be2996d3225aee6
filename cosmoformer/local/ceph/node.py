"""The object store of one machine: a Ceph monitor, one OSD and the S3 gateway (RGW), all on 127.0.0.1.

What a cluster does with many daemons is turned off: one copy of everything, no authentication between the daemons (they
listen on the loopback address only; S3 requests are still signed), no manager daemon. The folder of a node holds::

    node.json   what was chosen when the node was made; written last, so a node without it was never finished
    ceph.conf   written anew at every start
    mon/ osd/   the daemons' data
    log/ run/   their logs, and the records by which a later run finds leftovers
"""

from __future__ import annotations

import json
import os
import shutil
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from subprocess import Popen, TimeoutExpired
from typing import IO

from cosmoformer.errors import PermanentError, StoreUnavailable
from cosmoformer.local.ceph.layout import (
    CephIdentity,
    CephLayout,
    check_folder,
    configuration,
    install_hint,
    missing_programs,
)
from cosmoformer.local.ceph.users import ensure_users
from cosmoformer.local.folder_lock import take_lock
from cosmoformer.local.process import (
    end_leftover,
    free_port,
    is_listened_on,
    port_is_free,
    start_process,
    stop_process,
)

__all__ = ["CephLayout", "CephNode", "install_hint", "missing_programs"]

_START_TIMEOUT_S = 120.0
_COMMAND_TIMEOUT_S = 60.0
_STOP_GRACE_S = 3.0
_POLL_S = 0.02


def _silent(_: str) -> None:
    """Report to nobody."""


class CephNode:
    """One node; its daemons are children of this process and are killed when it ends."""

    def __init__(self, layout: CephLayout) -> None:
        self.layout = layout
        self._folder = layout.folder.absolute()
        self._children: dict[str, Popen[bytes]] = {}
        self._lock: IO[str] | None = None

    def start(self, report: Callable[[str], None] = _silent) -> None:
        """Start the node, making it the first time, and wait until its S3 user can list buckets.

        Daemons that an earlier run of this folder left behind are ended first; a node whose daemons were all killed
        starts again with every object it had acknowledged (bluestore).

        Args:
            report: called with a short message at each step.

        Raises:
            PermanentError: programs are missing, the folder or a port is in use, the disk is nearly full, or the
                folder holds a node of another kind.
            StoreUnavailable: a daemon ended or did not answer in time.
        """
        self._prepare()
        try:
            identity = self._identity()
            if identity is None:
                report("making a Ceph node (first start)")
                identity = self._make()
            else:
                self._resume(identity, report)
            report("starting Ceph's OSD and S3 gateway")
            self._start_daemon("osd", ["ceph-osd", "-i", "0"])
            self.start_gateway()
            ensure_users(self.layout, self._run, report)
        except BaseException:
            self.stop()
            raise
        report(f"S3 answers at {self.layout.endpoint_url}")

    def stop(self) -> None:
        """End the daemons: SIGTERM, then SIGKILL after a moment, since some gateways outlive the first."""
        for name in reversed(list(self._children)):
            self._stop_daemon(name)
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def processes(self) -> list[Popen[bytes]]:
        """The daemons that should be running; one whose ``poll()`` is not None has ended by itself."""
        return list(self._children.values())

    def start_gateway(self) -> None:
        """Start the S3 gateway of a started node and wait until it accepts connections.

        Raises:
            StoreUnavailable: it ended or did not answer in time.
        """
        self._start_daemon("rgw", ["radosgw", "-n", "client.rgw"])
        self._wait_for_port(self.layout.port, "rgw")

    def stop_gateway(self) -> None:
        """End the S3 gateway only; objects stay."""
        self._stop_daemon("rgw")

    def _prepare(self) -> None:
        """Check what can be checked before anything is started, and own the folder from here on."""
        if missing := missing_programs():
            raise PermanentError(install_hint(missing))
        for name in ("log", "run", "rgw"):
            (self._folder / name).mkdir(parents=True, exist_ok=True, mode=0o700)
        check_folder(self._folder)
        self._take_lock()
        try:
            for name in ("rgw", "osd", "mon", "command"):
                end_leftover(self._record(name))
            if not port_is_free(self.layout.port):
                raise PermanentError(
                    f"port {self.layout.port} of 127.0.0.1 is used by another program", "End it or set STORE_PORT"
                )
        except BaseException:
            self.stop()
            raise

    def _take_lock(self) -> None:
        taken = PermanentError(
            f"another process is running the store of {self._folder}",
            "Stop it first, or set DATA_DIR to another folder",
        )
        self._lock = take_lock(self._folder, taken)

    def _identity(self) -> CephIdentity | None:
        """What an earlier start chose, or None when the node has to be made."""
        try:
            identity = CephIdentity(**json.loads((self._folder / "node.json").read_text()))
        except FileNotFoundError:
            return None
        if identity.objectstore != self.layout.objectstore:
            raise PermanentError(
                f"{self._folder} holds a {identity.objectstore} node, not {self.layout.objectstore}",
                "Use another folder",
            )
        # What memstore held is gone with its process, while the monitor still remembers it.
        return None if identity.objectstore == "memstore" else identity

    def _make(self) -> CephIdentity:
        """Make monitor and OSD, over the remains of a first start that did not finish; the monitor then runs."""
        (self._folder / "node.json").unlink(missing_ok=True)
        for name in ("mon", "osd"):
            shutil.rmtree(self._folder / name, ignore_errors=True)
            (self._folder / name).mkdir(mode=0o700)
        identity = CephIdentity(str(uuid.uuid4()), str(uuid.uuid4()), free_port(), self.layout.objectstore)
        monmap = self._map_monitor(identity)
        self._run(["ceph-mon", "-i", "a", "--mkfs", "--monmap", monmap])
        self._start_monitor(identity)
        self._run(["ceph", "osd", "new", identity.osd_uuid, "0"])
        self._run(["ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", identity.osd_uuid])
        self._keep(identity)
        return identity

    def _keep(self, identity: CephIdentity) -> None:
        finished = self._folder / "node.json.new"
        finished.write_text(json.dumps(asdict(identity)))
        finished.replace(self._folder / "node.json")

    def _map_monitor(self, identity: CephIdentity) -> str:
        """Write ceph.conf and a map of the one monitor; the map's file."""
        (self._folder / "ceph.conf").write_text(configuration(self.layout, identity))
        monmap = str(self._folder / "run" / "monmap")
        address = f"v2:127.0.0.1:{identity.mon_port}"
        self._run(["monmaptool", "--create", "--clobber", "--fsid", identity.fsid, "--addv", "a", address, monmap])
        return monmap

    def _resume(self, identity: CephIdentity, report: Callable[[str], None]) -> None:
        """Start the monitor of a node that was made before, at another port where its own is taken."""
        moving = self._folder / "monitor-moves"  # until both its map and node.json say where it is
        if port_is_free(identity.mon_port) and not moving.exists():
            (self._folder / "ceph.conf").write_text(configuration(self.layout, identity))
            self._start_monitor(identity)
            return
        report(f"port {identity.mon_port} is taken, as by the node that this one was copied from: the monitor moves")
        moving.touch()
        identity = replace(identity, mon_port=free_port())
        self._run(["ceph-mon", "-i", "a", "--inject-monmap", self._map_monitor(identity)])
        self._keep(identity)
        moving.unlink()
        self._start_monitor(identity)
        # Its map still shows where the OSD was, and that may be where the other node's is now.
        self._run(["ceph", "osd", "down", "0"])

    def _start_monitor(self, identity: CephIdentity) -> None:
        self._start_daemon("mon", ["ceph-mon", "-i", "a"])
        self._wait_for_port(identity.mon_port, "mon")

    def _run(self, command: Sequence[str]) -> None:
        """Run one of Ceph's own commands to its end."""
        log = self._log("command")
        log.unlink(missing_ok=True)
        child = self._spawn("command", command)
        try:
            status = child.wait(_COMMAND_TIMEOUT_S)
        except TimeoutExpired:
            status = stop_process(child)
        if status != 0:
            raise StoreUnavailable(
                f"`{command[0]} {command[1]}` ended with status {status}: {_tail(log)}", f"See {log}"
            )
        log.unlink()  # it holds the secret key after `user create`

    def _start_daemon(self, name: str, command: Sequence[str]) -> None:
        self._stop_daemon(name)
        self._children[name] = self._spawn(name, [*command, "-f"])

    def _stop_daemon(self, name: str) -> None:
        child = self._children.pop(name, None)
        if child is not None:
            stop_process(child, _STOP_GRACE_S)
            self._record(name).unlink(missing_ok=True)

    def _spawn(self, name: str, command: Sequence[str]) -> Popen[bytes]:
        # The user's own CEPH_ARGS would be added to every command line.
        environment = {key: value for key, value in os.environ.items() if key not in ("CEPH_ARGS", "CEPH_CONF")}
        command = [*command, "-c", str(self._folder / "ceph.conf")]
        return start_process(command, env=environment, log=self._log(name), record=self._record(name))

    def _wait_for_port(self, port: int, name: str) -> None:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not is_listened_on(port):
            for daemon, child in self._children.items():
                if child.poll() is not None:
                    raise StoreUnavailable(
                        f"Ceph's {daemon} ended: {_tail(self._log(daemon))}", f"See {self._folder}/log"
                    )
            if time.monotonic() > deadline:
                raise StoreUnavailable(
                    f"Ceph's {name} did not answer on port {port} within {_START_TIMEOUT_S:g} s",
                    f"See {self._folder}/log",
                )
            time.sleep(_POLL_S)

    def _log(self, name: str) -> Path:
        return self._folder / "log" / f"{name}.out"

    def _record(self, name: str) -> Path:
        return self._folder / "run" / f"{name}.json"


def _tail(log: Path, characters: int = 500) -> str:
    return log.read_text(errors="replace")[-characters:].strip()
