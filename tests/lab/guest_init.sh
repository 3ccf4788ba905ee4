#!/bin/sh
# The lab guest, whole: PID 1 of a busybox initramfs. Told by the kernel command line:
#   guest=NAME address=A.B.C.D/N gateway=A.B.C.D  answer ping there
#   beat=SECONDS   write a heartbeat to /dev/vda and ttyS0 that often (guest_beat.c)
#   (and a web server at port 80, and a shell at the serial console and at the screen)
#   dirty=MIB      rewrite that much memory without end, 18 MiB each second (guest_dirty.c)
#   await=OFFSET   all of the above stands at that byte of /dev/vda, some day; with it mac=, and boot=, an id of the boot (saved.py)
export PATH=/bin
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mkdir -p /tmp
mount -t tmpfs -o size=90% tmpfs /tmp
guest=guest address= gateway= beat=0 dirty=0 await= mac= boot=
take() {
  for word in "$@"; do
    case $word in
      guest=* | address=* | gateway=* | beat=* | dirty=* | await=* | mac=* | boot=*) eval "${word%%=*}='${word#*=}'" ;;
    esac
  done
}
take $(cat /proc/cmdline)
for module in $(cat /modules/order); do insmod "/modules/$module.ko"; done
# ACPI's power button, heard before the network answers, so that `virsh shutdown` works on any guest that answers ping.
# A keyboard is one of these too, and must not power off.
for button in /dev/input/event*; do
  grep -q Power "/sys/class/input/${button##*/}/device/name" || continue
  (dd if="$button" bs=24 count=1 of=/dev/null 2>/dev/null && poweroff -f) &
done
ip link set lo up
# A service, so that one can see more of the guest than its kernel.
httpd -p 80 -h /tmp
if [ -n "$await" ]; then
  echo "lab guest awaits what it is to be" >/dev/ttyS0
  take $(await /dev/vda "$await")
  ip link set eth0 address "$mac"
fi
hostname "$guest"
if [ -n "$address" ]; then
  ip address add "$address" dev eth0
  ip link set eth0 up
  if [ -n "$gateway" ]; then
    ip route add default via "$gateway"
    # Its question for the gateway's MAC tells the machine ours: an earlier guest may have had this address.
    ping -c 1 -W 1 "$gateway" >/dev/null 2>&1 &
  fi
fi
boot_id=${boot:-$(cat /proc/sys/kernel/random/boot_id)}

if [ "$beat" != 0 ] && [ -b /dev/vda ]; then
  beat /dev/vda "$beat" "$boot_id" /dev/ttyS0 &
fi
[ "$dirty" = 0 ] || dirty "$dirty" 18 &
echo "lab guest $guest is up, boot $boot_id" >/dev/ttyS0
# A shell at the serial console, and one at the screen where the guest has one.
for terminal in ttyS0 tty1; do
  (while :; do PS1="$guest# " setsid -c sh -i <"/dev/$terminal" >"/dev/$terminal" 2>&1; sleep 1; done) &
done
while :; do sleep 3600; done
