"""Programs that probe a guest from the console or from a host: each file runs by itself on any Python from 3.6 on.

They print what iputils' `ping -n -D -O` prints, so that ping.PingLog reads them too, and three lines more:
`[TIME] refused icmp_seq=N`, `[TIME] announced KIND MAC` and `[TIME] stream PORT memory|disks plain|tls`.
"""

from pathlib import Path

ARP = Path(__file__).with_name("arp.py")
TCP = Path(__file__).with_name("tcp.py")
WIRE = Path(__file__).with_name("wire.py")

_PYTHON = """
for python in python3 /usr/libexec/platform-python; do
  command -v "$python" >/dev/null && exec "$python" -c "$0" "$@"
done
echo "it has no python3"
"""


def argv_on_host(program: Path, *arguments: str) -> list[str]:
    """What runs one of them on a host, which need not have it as a file."""
    return ["sh", "-c", _PYTHON, program.read_text(), *arguments]
