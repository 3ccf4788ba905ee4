"""Is the way of the guest's memory open? A listener at the destination, a connection from the source. Scripts, pure."""

from dataclasses import dataclass

from hosts import tcp_ports

LISTEN_S = 8
"""How long a listener that nobody comes to stays; libvirt itself skips ports that are taken."""
LISTEN = """
import os, select, socket, sys, time
low, high, limit_s, disks = map(int, sys.argv[1:5])
def listen(ports):
    for port in ports:
        for family, address in ((socket.AF_INET6, "::"), (socket.AF_INET, "0.0.0.0")):
            try:
                found = socket.socket(family, socket.SOCK_STREAM)
                found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    found.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
                found.bind((address, port))
                found.listen(4)
                return found
            except OSError:
                pass
patience = time.monotonic() + 2
middle = (low + high + 1) // 2
wanted = [*range(middle, high + 1), *range(middle - 1, low - 1, -1)]
first = listen(wanted)
while not first and time.monotonic() < patience:
    time.sleep(0.1)
    first = listen(wanted)
last = listen(range(high, low, -1)) if first and high > low else None
sockets = [found for found in (first, last) if found]
if first and disks:
    third = listen([disks])
    sockets += [third] if third else []
    if not third:
        print("taken", disks, flush=True)
child = os.fork()
if child:
    print("listening", *(found.getsockname()[1] for found in sockets), flush=True)
    print("pid", child, flush=True)
    os._exit(0)
os.setsid()
null = os.open(os.devnull, os.O_RDWR)
for number in (0, 1, 2):
    os.dup2(null, number)
end = time.monotonic() + limit_s
while sockets and time.monotonic() < end:
    for found in select.select(sockets, [], [], 0.5)[0]:
        found.accept()[0].close()
        found.close()
        sockets.remove(found)
"""
"""Takes a free port from the middle of a range and the highest, and the disks' port if there is one; says which, and waits
for one connection to each. Never the lowest: that is what libvirt gives the next migration, and QEMU then finds it taken. Where all are taken it tries again for two seconds: another preflight may be at the same port, and lets go of it soon."""

START_LISTENER = r"""
low=$1 high=$2
conf() { sed -n "s/^ *$1 *= *\([0-9]*\) *$/\1/p" /etc/libvirt/qemu.conf 2>/dev/null | tail -n 1; }
[ "$low" -gt 0 ] || { low=$(conf migration_port_min); high=$(conf migration_port_max); }
echo "hostname $(hostname -f 2>/dev/null || hostname)"
for python in python3 /usr/libexec/platform-python; do
  command -v "$python" >/dev/null && exec "$python" -c "$0" "${low:-49152}" "${high:-49215}" "$3" "$4"
done
echo unable
"""
"""Arguments: the first and the last port, 0 for what qemu.conf or libvirt's own default says; seconds to wait; the port
for copied disks, 0 for none of its own."""

CONNECT = (
    r"""
host=$1 limit=$2; shift 2
echo "resolved $(getent ahosts "$host" | head -n 1 | cut -d' ' -f1)"
"""
    + tcp_ports.TRY
)


@dataclass(frozen=True, slots=True)
class Way:
    """What the source found of the way to the destination's migration ports.

    `tried` maps each port to "open", "silent" or what was said; `unable` says why nothing could be tried; `disks_taken`
    that the port for copied disks is in use.
    """

    host: str = ""
    resolved: str = ""
    tried: tuple[tuple[int, str], ...] = ()
    taken: bool = False
    unable: str = ""
    disks_taken: bool = False


@dataclass(frozen=True, slots=True)
class Listening:
    """The destination's own name, the ports that it listens at (None where it has no means to), whether the port for
    copied disks is taken, and by which process it listens."""

    hostname: str
    ports: tuple[int, ...] | None
    disks_taken: bool = False
    pid: str = ""


def read_listening(output: str) -> Listening:
    """What START_LISTENER said."""
    lines = dict(line.partition(" ")[::2] for line in output.splitlines())
    ports = tuple(int(port) for port in lines.get("listening", "").split() if port.isdigit())
    return Listening(
        hostname=lines.get("hostname", "").strip(),
        ports=ports if "listening" in lines else None,
        disks_taken="taken" in lines,
        pid=lines.get("pid", "").strip(),
    )


def read_way(host: str, output: str) -> Way:
    """What CONNECT said."""
    resolved = next((line.partition(" ")[2] for line in output.splitlines() if line.startswith("resolved ")), "")
    return Way(host=host, resolved=resolved.strip(), tried=tcp_ports.read(output))
