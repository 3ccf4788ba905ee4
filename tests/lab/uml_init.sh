#!/bin/bash
# PID 1 of a User Mode Linux host. usage: uml_init.sh NAME ADDRESS/PREFIX GATEWAY MAC
set -u
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
name=$1 address=$2 gateway=$3 mac=$4

mount -t tmpfs -o mode=755 lab /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work lab /mnt/root
cd /mnt/root
cp -a media/lab/files/. .
mkdir -p home/image mnt lab/machine lab/folder
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t tmpfs -o mode=755 run run
mount -t tmpfs -o mode=1777 tmp tmp
mount -t devtmpfs dev dev
mkdir -p dev/pts dev/shm dev/net
[[ -e dev/net/tun ]] || mknod dev/net/tun c 10 200
mount -t devpts -o ptmxmode=0666,mode=620,gid=5 devpts dev/pts
mount -t tmpfs -o mode=1777 shm dev/shm
for link in fd:/proc/self/fd stdin:fd/0 stdout:fd/1 stderr:fd/2; do ln -sfn "${link#*:}" "dev/${link%%:*}"; done
mount -t hostfs -o /media/lab hostfs lab/folder
pivot_root . lab/machine

exec chroot . /bin/bash -s -- "$name" "$address" "$gateway" "$mac" <<'INIT'
name=$1 address=$2 gateway=$3 mac=$4
umount -l /lab/machine 2>/dev/null
hostname "$name"
modprobe -a tun bridge
ip link set lo up
ip link set vec0 name eth0
ip link add br0 type bridge stp_state 0 forward_delay 0
ip link set br0 address "$mac"
ip link set eth0 master br0 up
ip address add "$address" dev br0
ip link set br0 up
ip route add default via "$gateway"
mkdir -p /run/sshd /run/lock /run/rpcbind
/usr/sbin/sshd
rpcbind -w
if [[ $name == nfs ]]; then
  # NFS 4 shows clients one tree from the root down, so the root of that tree must be exportable, which the overlay is not.
  mkdir -p /srv/nfs
  mount -t ext4 /dev/ubda /srv/nfs
  mkdir -p /srv/nfs/home/image
  mount --bind /srv/nfs/home/image /home/image
  printf '[exports]\nrootdir=/srv/nfs\n' >/etc/nfs.conf.d/lab.conf
  # A server that starts for the first time has no client to wait for, yet it would refuse locks (and so QEMU) for 50 s
  # because of lockd and 90 s because of NFS 4. lockd rounds its grace up to its timeout, whose least value is 3 s.
  modprobe lockd nlm_timeout=3 nlm_grace_period=3
  modprobe nfsd
  mount -t nfsd nfsd /proc/fs/nfsd
  echo 10 >/proc/fs/nfsd/nfsv4gracetime
  rpc.statd --no-notify
  rpc.nfsd 8
  echo Y >/proc/fs/nfsd/v4_end_grace
  exportfs -av
  rpc.mountd
fi
: >/lab/folder/ready
while :; do
  sleep 3600 &
  wait $!
done
INIT
