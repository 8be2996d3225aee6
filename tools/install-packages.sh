#!/bin/sh
# Install Debian or Ubuntu packages without starting their services, or say exactly what a person has to do.
# Usage: install-packages.sh WHAT-FOR WHAT-TO-SET-INSTEAD PACKAGE...
set -eu
purpose=$1 instead=$2
shift 2
packages="$*"
give_up() {
    echo "$1, so $purpose cannot be installed from here." >&2
    echo "Install it yourself: apt-get install --no-install-recommends $packages" >&2
    echo "or set $instead." >&2
    exit 1
}
command -v apt-get >/dev/null || give_up "There is no apt-get on this machine"
as_root=
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || give_up "This is not root and there is no sudo"
    as_root=sudo
fi
echo "installing $purpose: $*"
$as_root apt-get update -qq || echo "The package lists could not be updated; trying with the old ones." >&2
for package in "$@"; do
    if ! apt-get install -qq --simulate --no-install-recommends "$package" >/dev/null 2>&1; then
        hint=
        [ "$package" != chromium ] || hint=" (Ubuntu has Chromium only as a snap, which the tests cannot start)"
        give_up "apt has no package $package that can be installed$hint"
    fi
done
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
    trap 'exit 130' INT TERM HUP # a shell that a signal ends outright runs no EXIT trap
    trap '$as_root rm -f $policy' EXIT
    # Debian's hook: 101 forbids a package to start its service while it is installed.
    printf '#!/bin/sh\nexit 101\n' | $as_root tee $policy >/dev/null && $as_root chmod +x $policy
fi
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@" >/dev/null ||
    give_up "apt-get failed"
