"""What one Ceph node is made of: programs, paths, ports, keys and its ceph.conf. Nothing here starts anything."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from cosmoformer.errors import PermanentError

_MIN_FREE_BYTES = 2 * 2**30
_UNFIT_IN_CONFIGURATION = frozenset('"\\#;$\n')

# Program -> the Debian/Ubuntu package that has it.
_PROGRAMS = {
    "ceph-mon": "ceph-mon",
    "ceph-osd": "ceph-osd",
    "radosgw": "radosgw",
    "radosgw-admin": "ceph-common",
    "ceph": "ceph-common",
    "monmaptool": "ceph-base",
}

_CONFIGURATION = """\
[global]
fsid = {fsid}
mon initial members = a
mon host = v2:127.0.0.1:{mon_port}
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind msgr1 = false
auth cluster required = none
auth service required = none
auth client required = none
run dir = "{folder}/run"
log file = "{folder}/log/$name.log"
# Else every request makes three lines, and every start some thousand; errors have level 0 and below.
debug rgw = 0
debug rocksdb = 0
debug bluestore = 0
debug bluefs = 0
debug bdev = 0
# Lines of higher levels are made all the same, and kept in memory for a crash's report; without them, and without a list of the
# operations under way, a request costs a tenth less.
debug osd = 0
debug ms = 0
debug monc = 0
debug auth = 0
debug objecter = 0
debug optracker = 0
debug throttle = 0
debug finisher = 0
debug timer = 0
debug tp = 0
osd enable op tracker = false
# Nobody asks a daemon through its socket, and socket paths may be 107 bytes long at most.
admin socket =
pid file =
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon max pg per osd = 1000
# With one monitor there is nobody to wait for: pools are made in 1 s instead of 9.
paxos propose interval = 0.02
paxos min wait = 0.01

[mon]
mon data = "{folder}/mon"
mon cluster log file = "{folder}/log/cluster.log"
# It would end itself below 5 % of free disk, however many gigabytes those are; the launcher has its own limit.
mon data avail crit = -1
mon data avail warn = -1

[osd]
osd data = "{folder}/osd"
osd objectstore = {objectstore}
osd memory target = 939524096
memstore device bytes = 2147483648
bluestore block size = {block_bytes}
bluestore fsck on mkfs = false
# Its file is opened and closed five times a start, and each close waits for one poll; the default is 250 ms.
bdev aio poll ms = 25
# After a crash the OSD waits this long for the gateway that was killed, and each change of a bucket with it (30 s).
osd client watch timeout = 3

[client]
# The default, `secure`, needs the authentication that is off; the gateway would retry error -13 for ever.
ms mon client mode = crc
ms client mode = crc
# A client that waits for the OSD asks for a newer map after `timeout` (10 s), looking every `tick interval` (5 s). At the
# default values every start waits for that, the longest after a crash, when the map still shows the OSD that was killed.
objecter tick interval = 0.2
objecter timeout = 1
# Without tcp_nodelay a small GET waits 40 ms for a delayed acknowledgement.
rgw frontends = beast endpoint=127.0.0.1:{port} tcp_nodelay=1
rgw data = "{folder}/rgw"
rgw thread pool size = 32
# No limit instead of 1,000: the machine is its user's own.
rgw user max buckets = 0
"""


#: Name of the node's S3 user.
USER = "cosmoformer"


@dataclass(frozen=True)
class Subuser:
    """A key of the node's user that can do only a part of what the user can.

    Attributes:
        name: after the user's, such as ``upload``.
        access: ``write`` puts and deletes but reads nothing, not even as the source of a copy; ``read`` the other way round.
        access_key: access key.
        secret_key: secret key.
    """

    name: str
    access: Literal["read", "write"]
    access_key: str
    secret_key: str = field(repr=False)

    @property
    def principal(self) -> str:
        """What bucket policies call it."""
        return f"arn:aws:iam:::user/{USER}:{self.name}"


@dataclass(frozen=True)
class CephLayout:
    """Where a node lives and how it is reached.

    Attributes:
        folder: folder of everything the node keeps.
        port: TCP port of the S3 gateway on 127.0.0.1.
        access_key: access key of the node's one S3 user, who may make buckets.
        secret_key: secret key of that user.
        subusers: further keys of that user, which can do less.
        objectstore: ``bluestore`` keeps objects on disk; ``memstore`` is empty after every start.
        block_bytes: most that a bluestore node holds; its file is sparse and takes only what is used. Fixed by the
            first start.
    """

    folder: Path
    port: int
    access_key: str
    secret_key: str = field(repr=False)
    objectstore: Literal["bluestore", "memstore"] = "bluestore"
    block_bytes: int = 20 * 2**30
    subusers: tuple[Subuser, ...] = ()

    @property
    def endpoint_url(self) -> str:
        """Address of the S3 gateway; buckets are path-style."""
        return f"http://127.0.0.1:{self.port}"


@dataclass(frozen=True)
class CephIdentity:
    """What the first start chose and ``node.json`` keeps; the monitor's map holds its port, too."""

    fsid: str
    osd_uuid: str
    mon_port: int
    objectstore: str


def missing_programs() -> list[str]:
    """Names of the Ceph programs that are not on PATH."""
    return [program for program in _PROGRAMS if shutil.which(program) is None]


def install_hint(missing: Sequence[str]) -> str:
    """What to run or to set when these programs are missing."""
    packages = " ".join(dict.fromkeys(_PROGRAMS[program] for program in missing))
    return (
        f"Ceph programs are missing: {', '.join(missing)}. On Debian or Ubuntu run"
        f" `sudo apt-get install --no-install-recommends {packages}`; or set S3_ENDPOINT_URL, AWS_ACCESS_KEY_ID and"
        " AWS_SECRET_ACCESS_KEY to use a store that already runs"
    )


def configuration(layout: CephLayout, identity: CephIdentity) -> str:
    """The text of ceph.conf for all three daemons."""
    values = asdict(identity) | asdict(layout) | {"folder": layout.folder.absolute()}
    return _CONFIGURATION.format(**values)


def check_folder(folder: Path) -> None:
    """Nothing, when a node can live in this folder, which must exist.

    Raises:
        PermanentError: ceph.conf cannot name it, or its disk is nearly full.
    """
    if unfit := _UNFIT_IN_CONFIGURATION.intersection(str(folder)):
        raise PermanentError(
            f"Ceph's configuration cannot name the folder {folder}",
            f"Set DATA_DIR to a path without {' '.join(sorted(unfit))}",
        )
    free = shutil.disk_usage(folder).free
    if free < _MIN_FREE_BYTES:
        raise PermanentError(
            f"the disk of {folder} is nearly full: {free / 2**30:.1f} GiB free, the store needs"
            f" {_MIN_FREE_BYTES / 2**30:.1f} GiB",
            "Free some space or set DATA_DIR to a folder on another disk",
        )
