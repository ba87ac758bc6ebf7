#!/bin/sh
# The last hook of mmdebstrap: takes out of the installed system what must be each machine's own,
# and writes it into the root partition of WORK/disk.raw.
#
#   unshare --mount seal.sh ROOT WORK
#
# In the environment: SOURCE_DATE_EPOCH, ROOT_UUID, ROOT_OFFSET in bytes, ROOT_SIZE in KiB.
# Left in WORK: boot.img, core.img, esp/ and packages.
set -eu
root=$1 work=$2
PATH=/usr/sbin:/usr/bin:/sbin:/bin
echo 'finishing the system' > "$work/stage"

# in this namespace alone, nothing is mounted in it
tac /proc/mounts | while read -r _ place _; do
  case $place in "$root"/*) umount "$place" ;; esac
done

# GRUB for BIOS: what its core needs to find the rest on the third partition of its own disk
modules=$root/usr/lib/grub/i386-pc
mkdir -p "$root/boot/grub/i386-pc"
cp "$modules"/*.mod "$modules"/*.lst "$root/boot/grub/i386-pc/"
chroot "$root" grub-mkimage -O i386-pc -p '(,gpt3)/boot/grub' \
  -o /boot/grub/i386-pc/core.img biosdisk part_gpt ext2
cp "$modules/boot.img" "$root/boot/grub/i386-pc/core.img" "$work/"

# GRUB for UEFI: signed, behind the signed shim; by the path of a disk nobody registered, and by
# Debian's own
signed=$root/usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed
shim=$root/usr/lib/shim
for folder in BOOT debian; do
  mkdir -p "$work/esp/EFI/$folder"
  cp "$signed" "$work/esp/EFI/$folder/grubx64.efi"
  cp "$shim/mmx64.efi.signed" "$work/esp/EFI/$folder/mmx64.efi"
done
cp "$shim/shimx64.efi.signed" "$work/esp/EFI/BOOT/BOOTX64.EFI"
cp "$shim/shimx64.efi.signed" "$work/esp/EFI/debian/shimx64.efi"
cat > "$work/esp/EFI/debian/grub.cfg" <<END
search.fs_uuid $ROOT_UUID root
set prefix=(\$root)/boot/grub
configfile \$prefix/grub.cfg
END
mkdir -p "$root/boot/efi"
: > "$root/etc/grub.d/enable_cloud" # from now on GRUB's packages install what they bring

chroot "$root" dpkg-query -W -f '${Package}=${Version}\n' > "$work/packages"

# Nobody's own
rm -f "$root"/etc/ssh/ssh_host_*_key* "$root/etc/hostname" "$root/etc/resolv.conf" \
  "$root/var/lib/dbus/machine-id"
: > "$root/etc/machine-id"
ln -s ../run/systemd/resolve/stub-resolv.conf "$root/etc/resolv.conf"
# What only the building needed
rm -f "$root/etc/apt/sources.list" "$root"/etc/apt/sources.list.d/0000* \
  "$root/etc/apt/apt.conf.d/99mmdebstrap" "$root/etc/dpkg/dpkg.cfg.d/99mmdebstrap" \
  "$root/etc/apt/apt.conf.d/00building" "$root/etc/apt/auth.conf.d/building.conf"
rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/*.bin "$root"/var/cache/apt/archives/*.deb \
  "$root"/var/cache/ldconfig/aux-cache "$root"/var/cache/debconf/*-old "$root"/var/lib/dpkg/*-old \
  "$root"/etc/passwd- "$root"/etc/group- "$root"/etc/shadow- "$root"/etc/gshadow- "$root"/tmp/* \
  "$root"/dev/*
find "$root/var/log" -type f -delete

# Nothing is out of date at the first start: no caches are built there
: > "$root/etc/.updated"
: > "$root/var/.updated"

# The times of the archive, not of this hour
find "$root" -newermt "@$SOURCE_DATE_EPOCH" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
find "$root" -exec touch -h -a -d "@$SOURCE_DATE_EPOCH" {} +

echo 'writing the file system' > "$work/stage"
# By the system's own mke2fs: what is read by its GRUB and checked by its e2fsck, and by no other;
# at /mnt it sees the system, at /media the disk
mount --bind "$root" "$root/mnt"
mount --bind "$work" "$root/media"
chroot "$root" mke2fs -q -F -t ext4 -L root -U "$ROOT_UUID" -m 1 \
  -E "offset=$ROOT_OFFSET,hash_seed=$ROOT_UUID,lazy_itable_init=0,lazy_journal_init=1,nodiscard" \
  -d /mnt /media/disk.raw "${ROOT_SIZE}k"
