"""Programs that probe a guest from the console or from a host: each file runs by itself on any Python from 3.6 on.

They print what iputils' `ping -n -D -O` prints, so that ping.PingLog reads them too, and two lines more:
`[TIME] refused icmp_seq=N` and `[TIME] announced KIND MAC`.
"""

from pathlib import Path

ARP = Path(__file__).with_name("arp.py")
TCP = Path(__file__).with_name("tcp.py")
