"""Ceph on one machine: monitor, OSD and S3 gateway as ordinary processes on loopback."""
