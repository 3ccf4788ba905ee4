#!/bin/bash
# Become a lab host: called as PID 1 of new mount, UTS and PID namespaces, inside the host's network namespace.
# usage: netns_boot.sh FOLDER ROOT NAME ADDRESS/PREFIX GATEWAY MAC
#   FOLDER  this host's run folder on the machine: files/ (laid over ROOT), pid (written here), ../share (the storage);
#           the host itself sees it at /lab/folder
set -eu
folder=$1 root=$2 name=$3 address=$4 gateway=$5 mac=$6

# The old /proc still counts in the machine's pids: this is the number by which the machine can kill this host.
read -r pid _ </proc/self/stat
echo "$pid" >"$folder/pid.new"

mkdir -p "$folder/scratch"
mount -t tmpfs -o mode=755 lab "$folder/scratch"
cd "$folder/scratch"
mkdir upper work root
mount -t overlay -o "lowerdir=$root,upperdir=$folder/scratch/upper,workdir=$folder/scratch/work" lab root
cp -a "$folder/files/." root/
cd root
mkdir -p lab/share lab/folder home/image mnt
mount --bind "$folder/../share" lab/share
mount --bind "$folder" lab/folder
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t tmpfs -o mode=755 run run
mount -t tmpfs -o mode=1777 tmp tmp
mount -t tmpfs -o mode=755 dev dev
mkdir dev/net dev/pts dev/shm
for node in null zero full random urandom tty net/tun; do
  touch "dev/$node"
  mount --bind "/dev/$node" "dev/$node"
done
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
ln -s fd/0 dev/stdin
ln -s fd/1 dev/stdout
ln -s fd/2 dev/stderr
mount -t tmpfs -o mode=1777 shm dev/shm
mkdir lab/machine
pivot_root . lab/machine
exec chroot . /bin/bash -s -- "$name" "$address" "$gateway" "$mac" <<'INIT' >/dev/null 2>/var/log/lab-init.log
set -eu
name=$1 address=$2 gateway=$3 mac=$4
umount -l /lab/machine
hostname "$name"
ip link set lo up
ip link add br0 type bridge stp_state 0 forward_delay 0
ip link set br0 address "$mac"
ip link set eth0 master br0 up
ip address add "$address" dev br0
ip link set br0 up
ip route add default via "$gateway"
mkdir -p /run/sshd /run/lock
/usr/sbin/sshd
if [[ $name == nfs ]]; then
  mount --bind /lab/share /home/image
  # Without nfsd in the kernel nobody can mount it, but `showmount -e` asks only mountd, and that answers all the same.
  mkdir -p /run/rpcbind
  rpcbind -w
  exportfs -a
  rpc.mountd
fi
: >/run/lab-ready
# PID 1 must reap orphans at once, or libvirt waits 40 s for each of QEMU's probes; bash does while it waits.
while :; do
  sleep 3600 &
  wait $!
done
INIT
