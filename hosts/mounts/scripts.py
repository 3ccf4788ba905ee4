"""The shell that runs on a host for mounts: fixed texts whose data comes as positional arguments, never inside.

Exit codes from 70 on are ours; below them are those of the last command. `timeout -s KILL` ends even a process that waits
for a dead NFS server, since those waits are killable (TASK_KILLABLE, Linux 2.6.25).
"""

from hosts.mount_unit import FOLDER, MARK

LOCK = """
exec 9>/run/kvmconsole-mounts.lock
flock -w 25 9 || { echo "another mount or unmount is under way on this host" >&2; exit 76; }
"""
"""The check and the act after it are one to every console that uses this host."""

IS_LINK, IS_MOUNT, NOT_EMPTY, NOT_A_FOLDER, CHANGED, LOCKED, NOT_MOUNTED = 71, 72, 73, 74, 75, 76, 77
STAYS, LOST = 78, 79
NO_SYSTEMD, FOREIGN, COMPLAINED = 80, 81, 82

SEPARATOR, SEPARATOR_OF_STATS, SEPARATOR_OF_UNITS = "=== fstab ===", "=== mountstats ===", "=== units ==="
LOOK = f"""
findmnt --json --list --bytes --output TARGET,SOURCE,FSTYPE,OPTIONS
echo '{SEPARATOR}'
cat /etc/fstab
echo '{SEPARATOR_OF_STATS}'
grep -E '^device .* with fstype nfs|^[[:space:]]+bytes:' /proc/self/mountstats 2>/dev/null
echo '{SEPARATOR_OF_UNITS}'
[ -d /run/systemd/system ] && echo systemd
for unit in {FOLDER}/*.mount; do
    [ -f "$unit" ] || continue
    echo "unit ${{unit##*/}}"
    for link in {FOLDER}/*.wants/"${{unit##*/}}" {FOLDER}/*.requires/"${{unit##*/}}"; do
        if [ -L "$link" ]; then echo enabled; fi
    done
    grep -E '^({MARK}|(What|Where|Type|Options)=.*)$' -- "$unit"
done
exit 0
"""

HEALTH = """
limit=$1; shift
number=0
began=$(date +%s%N)
timeout -s KILL "$limit" stat -f -c '%S %b %f' -- /proc >/dev/null 2>&1
own=$(($(date +%s%N) - began))
for target do
    (
        began=$(date +%s%N)
        said=$(timeout -s KILL "$limit" stat -f -c '%S %b %f' -- "$target" 2>&1)
        status=$?
        spent=$(( ($(date +%s%N) - began - own) / 1000 ))
        echo "$number $status $(( spent > 0 ? spent : 0 )) $said"
    ) &
    number=$((number + 1))
done
wait
"""
"""One line per target: its number, the exit status (137: no answer in time), microseconds, then block size, blocks and free
blocks, or what went wrong. statfs(2) on NFS always asks the server. What starting the programs alone takes is taken off."""

LOOK_AT_TARGET = """
target=$1
real=$(timeout -s KILL 5 realpath -m -- "$target") || exit 1
[ "$real" = "$target" ] || { echo "$real"; exit 71; }
[ -e "$target" ] || exit 0
[ -d "$target" ] || exit 74
cd -- "$target" || exit 1
timeout -s KILL 10 find . -xdev -mindepth 1 -maxdepth 1 -printf '%P\\n' | head -n 200
timeout -s KILL 10 find . -xdev -mindepth 2 -maxdepth 3 -type f -printf '%P\\n' | head -n 5000
"""

MOUNT = (
    LOCK
    + """
limit=$1 source=$2 target=$3 options=$4
[ "$(realpath -m -- "$target")" = "$target" ] || exit 71
if mountpoint -q -- "$target"; then exit 72; fi
first=
if [ -d "$target" ]; then
    [ -z "$(ls -A -- "$target")" ] || exit 73
elif [ -e "$target" ]; then
    exit 74
else
    first=$target
    while [ ! -e "$(dirname -- "$first")" ]; do first=$(dirname -- "$first"); done
    mkdir -p -- "$target" || exit 1
fi
timeout -s KILL "$limit" mount -t nfs -o "$options" -- "$source" "$target" && exit 0
status=$?
# Only folders that were made here are taken away again.
while [ -n "$first" ]; do
    rmdir -- "$target" || break
    [ "$target" != "$first" ] || break
    target=$(dirname -- "$target")
done
exit $status
"""
)

UNMOUNT = (
    LOCK
    + """
limit=$1 target=$2
findmnt --noheadings --mountpoint "$target" >/dev/null || exit 77
timeout -s KILL "$limit" umount -- "$target" && exit 0
status=$?
if command -v fuser >/dev/null; then timeout -s KILL 5 fuser -vm -- "$target" >&2; fi
exit $status
"""
)

REMOUNT = (
    LOCK
    + f"""
limit=$1 source=$2 target=$3 options=$4 before=$5 place=$6
findmnt --noheadings --mountpoint "$target" >/dev/null || exit {NOT_MOUNTED}
if [ "$place" = yes ]; then
    timeout -s KILL "$limit" mount -o "remount,$options" -- "$target"
    exit
fi
if ! timeout -s KILL "$limit" umount -- "$target"; then
    if command -v fuser >/dev/null; then timeout -s KILL 5 fuser -vm -- "$target" >&2; fi
    exit {STAYS}
fi
status={NOT_EMPTY}
if [ -z "$(ls -A -- "$target")" ]; then
    timeout -s KILL "$limit" mount -t nfs -o "$options" -- "$source" "$target" && exit 0
    status=$?
fi
timeout -s KILL "$limit" mount -t nfs -o "$before" -- "$source" "$target" >/dev/null 2>&1 || exit {LOST}
exit $status
"""
)
"""Mounts with other options, or, where that fails, as it was before. `place`: without unmounting, which only ro and rw allow."""

WRITE_FSTAB = (
    LOCK
    + """
expected=$1
file=$(realpath /etc/fstab) || exit 1
[ "$(sha256sum < "$file" | cut -d ' ' -f 1)" = "$expected" ] || exit 75
new=$(mktemp "$(dirname "$file")/.fstab.XXXXXX") || exit 1
trap 'rm -f "$new"' EXIT
cat > "$new" && chown --reference="$file" "$new" && chmod --reference="$file" "$new" || exit 1
cp -p -- "$file" "$file.kvmconsole-backup" || exit 1
sync "$new" && mv -f -- "$new" "$file" || exit 1
trap - EXIT
if [ -d /run/systemd/system ]; then systemctl daemon-reload || :; fi
"""
)
"""Takes the new text as its input. The last text before it is kept in /etc/fstab.kvmconsole-backup."""

WRITE_UNIT = (
    LOCK
    + f"""
name=$1 target=$2 folder={FOLDER} file={FOLDER}/$1
[ -d /run/systemd/system ] || exit {NO_SYSTEMD}
if [ -e "$file" ] && ! grep -qxF -e '{MARK}' -- "$file"; then exit {FOREIGN}; fi
work=$(mktemp -d "$folder/.kvmconsole.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
cat >"$work/$name" && chmod 644 "$work/$name" && sync "$work/$name" || exit 1
[ "$(systemd-escape --path --suffix=mount -- "$target")" = "$name" ] || exit {COMPLAINED}
said=$(timeout -s KILL 20 systemd-analyze verify "$work/$name" 2>&1 | grep -F -e "$name:")
if [ -n "$said" ]; then printf '%s\\n' "$said" >&2; exit {COMPLAINED}; fi
had=
if [ -e "$file" ]; then cp -p -- "$file" "$work/before" && had=yes || exit 1; fi
mv -f -- "$work/$name" "$file" || exit 1
accepted() {{
    timeout -s KILL 20 systemctl daemon-reload || return 1
    state=$(systemctl show --property=LoadState --value -- "$name")
    [ "$state" = loaded ] || {{ echo "$name: $state" >&2; return 1; }}
    timeout -s KILL 20 systemctl enable --quiet -- "$name"
}}
accepted && exit 0
if [ -n "$had" ]; then
    mv -f -- "$work/before" "$file"
else
    systemctl --quiet disable -- "$name" 2>/dev/null
    rm -f -- "$file" "$folder/remote-fs.target.wants/$name"
fi
timeout -s KILL 20 systemctl daemon-reload 2>/dev/null
exit {COMPLAINED}
"""
)
"""Input: the unit's text. Verified before it is put in place, and taken back where systemd does not load or enable it."""

REMOVE_UNIT = (
    LOCK
    + f"""
name=$1 file={FOLDER}/$1
[ -e "$file" ] || exit 0
grep -qxF -e '{MARK}' -- "$file" || exit {FOREIGN}
timeout -s KILL 20 systemctl --quiet disable -- "$name" || exit {COMPLAINED}
rm -f -- "$file" && timeout -s KILL 20 systemctl daemon-reload
"""
)


def argv(script: str, *arguments: str) -> list[str]:
    """The argument list that runs `script` with `arguments` as $1, $2 and so on."""
    return ["sh", "-c", script, "kvmconsole", *arguments]
