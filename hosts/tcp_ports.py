"""Trying TCP ports of a machine from a host: the shell that does it, and its answer as a value. Pure."""

CONNECT_S = 3
"""Dropped packets show only by silence."""
OPEN, SILENT = "open", "silent"

TRY = r"""
for port; do
  (
    said=$(timeout "$limit" bash -c 'exec 3<>"/dev/tcp/$0/$1"' "$host" "$port" 2>&1) && echo "port $port open" ||
      { [ $? -eq 124 ] && echo "port $port silent" || echo "port $port refused ${said##*: }"; }
  ) &
done
wait
"""
"""All ports in "$@" of `$host` at once, each within `$limit` seconds. Without bash each is "refused" with what the shell said."""


def read(output: str) -> tuple[tuple[int, str], ...]:
    """What TRY said: each port with "open", "silent", or "refused" and strerror(3)'s words."""
    found = []
    for line in output.splitlines():
        word, _, rest = line.partition(" ")
        port, _, how = rest.partition(" ")
        if word == "port" and port.isdecimal():
            found.append((int(port), how.strip()))
    return tuple(sorted(found))
