#!/bin/sh
# Make a base image from Debian's packages alone, for machines that reach no container registry: a small Debian with its Python.
# Usage, as root: debian_base.sh NAME [SUITE]      DEBIAN_MIRROR names another mirror than debootstrap's own.
set -eu
name=$1 suite=${2:-bookworm}
engine=${ENGINE:-$(command -v podman || command -v buildah)} || { echo "Neither podman nor buildah is installed" >&2; exit 1; }
command -v debootstrap >/dev/null || { echo "debootstrap is not installed: apt-get install debootstrap" >&2; exit 1; }
[ "$(id -u)" = 0 ] || { echo "debootstrap needs root" >&2; exit 1; }
folder=$(mktemp -d)
trap 'rm -rf --one-file-system "$folder"' EXIT
trap 'exit 130' INT TERM HUP
root=$folder/root
debootstrap --variant=minbase --include=ca-certificates,libpython3-stdlib,python3-minimal "$suite" "$root" ${DEBIAN_MIRROR:-} \
    >"$folder/log" || { tail -5 "$folder/log" >&2; exit 1; }
! grep -qs " $root/" /proc/mounts || umount --recursive "$root/proc" "$root/sys" 2>/dev/null || true
# As the images of Debian itself: no documentation, no package lists, nothing of this one installation.
rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/var/cache/debconf/* "$root"/var/log/* "$root"/usr/share/doc/* \
    "$root"/usr/share/man/* "$root"/usr/share/info/* "$root"/usr/share/locale/* "$root"/usr/share/lintian/* \
    "$root"/etc/resolv.conf "$root"/etc/hostname
cat >"$folder/Containerfile" <<'END'
FROM scratch
COPY root /
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
CMD ["python3"]
END
"$engine" build --tag "$name" --file "$folder/Containerfile" "$folder"
