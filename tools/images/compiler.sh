#!/bin/sh
# In a final stage: C and C++ compilers and Python's headers, from the packages of whatever the base is, unless they are there.
set -eu
version=$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
headers=$(python3 -c 'import sysconfig; print(sysconfig.get_path("include"))')
missing() { ! command -v c++ >/dev/null || [ ! -e "$headers/Python.h" ]; }
missing || exit 0
if command -v apt-get >/dev/null; then
    package= # a Python that is not Debian's brings its own headers
    [ -e "$headers/Python.h" ] || package=libpython$version-dev
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends gcc g++ libc6-dev $package
    rm -rf /var/lib/apt/lists/* /var/cache/apt/*
else
    installer=$(command -v dnf || command -v microdnf)
    "$installer" install -y gcc gcc-c++ "python$version-devel"
    "$installer" clean all
fi
! missing || { echo "the base still lacks a C++ compiler or $headers/Python.h" >&2; exit 1; }
