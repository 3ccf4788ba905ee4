#!/bin/bash
# Start a User Mode Linux kernel: called as PID 1 of new mount and PID namespaces, so that killing it ends all its processes.
# usage: uml_boot.sh FOLDER ROOT UMID MEMORY_MIB PORT NAME ADDRESS/PREFIX GATEWAY MAC
#   FOLDER  this host's run folder: files/ (laid over ROOT), init (uml_init.sh), xstate.so (uml_xstate.c), disk (the storage, on nfs only), pid (written here)
set -eu
folder=$1 root=$2 umid=$3 memory_mib=$4 port=$5
shift 5

# The old /proc still counts in the machine's pids: this is the number by which the machine can kill this host.
read -r pid _ </proc/self/stat
echo "$pid" >"$folder/pid.new"

# What the kernel finds as its root by hostfs: the common root, never written, with this host's folder at /media/lab.
mount --bind "$root" "$root"
cd "$root"
mount -t proc proc proc
mount --rbind /dev dev
mount -t tmpfs tmp tmp
mount -t tmpfs media media
mkdir media/lab
mount --bind "$folder" media/lab
disk=()
[[ ! -e $folder/disk ]] || disk=(ubda=/media/lab/disk)
# uml_xstate.c says why.
chroot . /usr/bin/env LD_PRELOAD=/media/lab/xstate.so /usr/bin/linux.uml "mem=${memory_mib}M" root=/dev/root rootfstype=hostfs rootflags=/ ro \
  init=/media/lab/init "umid=$umid" uml_dir=/media/lab/ "${disk[@]}" \
  "vec0:transport=tap,ifname=$port,depth=128,gro=1" con=null con0=null,fd:1 quiet -- "$@" &
wait $!
