"""The shell that moves images on a host: fixed texts whose data comes as arguments or NUL-separated input, never inside.

Exit codes from 79 on are ours. What may take long prints a line every half second, so that silence means trouble, and works
under a lock of its move: a copy that a dead console left behind is over before the next one begins.
"""

from hosts.mounts import scripts as mount_scripts

LOCK = mount_scripts.LOCK
IS_MOUNT, NOT_EMPTY = mount_scripts.IS_MOUNT, mount_scripts.NOT_EMPTY
(LOCKED, COPY_FAILED, NOT_WRITTEN, DIFFERS, CHANGED, EXISTS, ASIDE_EXISTS, IN_USE, MISSING, NOT_MOVED) = range(80, 90)
NO_QEMU_IMG = 79
MOST_ENTRIES = 5000

LIST = f"""
cd -- "$1" || exit 1
find . -xdev -mindepth 1 -printf '%y\\0%s\\0%b\\0%T@\\0%l\\0%P\\0' | head -z -n {6 * (MOST_ENTRIES + 1)}
"""
"""Six fields for each entry: type, size, blocks of 512 bytes, time of change, where a link leads, path."""

STATE = """
target=$1 aside=$2 look=$3
if [ -L "$target" ]; then echo other
elif [ ! -e "$target" ]; then echo absent
elif [ ! -d "$target" ]; then echo other
elif [ "$look" = no ]; then echo mounted
elif [ -n "$(timeout -s KILL 10 find "$target" -mindepth 1 -maxdepth 1 -print -quit)" ]; then echo full
else echo empty; fi
if [ -d "$aside" ]; then echo aside; fi
"""

HOLDERS = """
holders() {
    find /proc/[0-9]*/fd -lname "$1/*" -printf '%h\\n' 2>/dev/null | cut -d / -f 3 | sort -u | while read -r pid; do
        echo "$(cat "/proc/$pid/comm" 2>/dev/null) (process $pid)"
    done
}
"""
"""Processes that hold a file below a folder: $1 has no character that means anything in a pattern (validate_target)."""

WHO_HOLDS = HOLDERS + 'holders "$1"\n'

CHAINS = """
command -v qemu-img >/dev/null || exit 79
xargs -0 -r sh -c 'for file do
    printf "%s\\0" "$file"
    timeout -s KILL 10 qemu-img info --force-share --backing-chain --output=json -- "$file" 2>/dev/null
    printf "\\0"
done' kvmconsole
"""
"""Reads paths; writes each with what qemu-img says of it and of what it is based on."""

LOOK_AT_SHARE = """
limit=$1 source=$2 options=$3 folder=$4
if mountpoint -q -- "$folder"; then timeout -s KILL 20 umount -- "$folder" || exit 1; fi
mkdir -p -- "$folder" || exit 1
timeout -s KILL "$limit" mount -t nfs -o "$options" -- "$source" "$folder" || { status=$?; rmdir -- "$folder"; exit $status; }
probe="$folder/.kvmconsole-probe-$$"
if said=$( ( : >"$probe" ) 2>&1 ); then rm -f -- "$probe"; echo "writable"; else echo "refused $said"; fi
stat -f -c '%a %S' -- "$folder" || exit 1
xargs -0 -r sh -c 'folder=$1; shift; for path do
    there="$folder/$path"
    if [ -L "$there" ]; then printf "l\\0%s\\0%s\\0" "$(readlink -- "$there")" "$path"
    elif [ -d "$there" ]; then printf "d\\0000\\0%s\\0" "$path"
    elif [ -f "$there" ]; then printf "f\\0%s\\0%s\\0" "$(stat -c %s -- "$there")" "$path"
    elif [ -e "$there" ]; then printf "o\\0000\\0%s\\0" "$path"; fi
done' kvmconsole "$folder"
"""
"""Mounts the share where nobody looks, tries whether it can be written to, and says which of the names that it reads lie there."""

LEAVE_SHARE = """
mountpoint -q -- "$1" || { rmdir -- "$1" 2>/dev/null; exit 0; }
timeout -s KILL 20 umount -- "$1" && rmdir -- "$1"
"""

_WORK = r"""
exec 9>"/run/kvmconsole-moving-$1.lock"
flock -w 20 9 || { echo "an earlier copy of this move has not ended yet" >&2; exit 80; }
work="/run/kvmconsole-moving-$1"
mkdir -p -- "$work" || exit 1

# Short pauses at first, since most files are small.
pause() { sleep "$pause"; case $pause in 0.05) pause=0.1;; 0.1) pause=0.2;; *) pause=0.5;; esac; }

# digest FILE WORD: its SHA-256 into $sum, read past the page cache where the file system can, with lines "WORD position".
digest() {
    direct=
    dd "if=$1" iflag=direct bs=1M count=1 of=/dev/null status=none 2>/dev/null && direct=iflag=direct
    [ -n "$direct" ] || dd "if=$1" iflag=nocache count=0 of=/dev/null status=none 2>/dev/null
    rm -f -- "$work/status" "$work/sum" "$work/pid"
    {
        dd "if=$1" $direct bs=1M status=none & reader=$!
        echo "$reader" >"$work/pid"
        wait "$reader"; echo $? >"$work/status"
    } | sha256sum >"$work/sum" &
    summer=$!
    pause=0.05
    while kill -0 "$summer" 2>/dev/null; do
        echo "$2 $(sed -n 's/^pos:[[:space:]]*//p' "/proc/$(cat "$work/pid" 2>/dev/null)/fdinfo/0" 2>/dev/null)"
        pause
    done
    wait "$summer"
    [ "$(cat "$work/status")" = 0 ] || { echo "$1 could not be read" >&2; exit 1; }
    sum=$(cut -d ' ' -f 1 <"$work/sum")
}
"""

COPY = (
    _WORK
    + """
from=$2 part=$3 final=$4 expected=$5 how=$6
[ -f "$from" ] || { echo "$from is gone" >&2; exit 88; }
same() { [ -z "$expected" ] || [ "$(find "$from" -maxdepth 0 -printf '%s %T@')" = "$expected" ]; }
same || exit 84
if [ "$how" = new ] && [ -e "$final" ] && ! [ "$final" -ef "$part" ]; then
    # An earlier turn may have put it there, and died before it could say so.
    [ "$(stat -c %s -- "$from")" = "$(stat -c %s -- "$final")" ] || exit 85
    digest "$from" read; first=$sum
    digest "$final" verified
    [ "$first" = "$sum" ] || exit 85
    rm -f -- "$part"; echo "sum $sum"; exit 0
fi
rm -f -- "$part" || exit 82
cp --sparse=always --preserve=mode,timestamps -- "$from" "$part" & copier=$!
pause=0.05
while kill -0 "$copier" 2>/dev/null; do echo "copied $(stat -c %s -- "$part" 2>/dev/null)"; pause; done
wait "$copier" || { rm -f -- "$part"; exit 81; }
chown --reference="$from" -- "$part" 2>/dev/null || echo "unowned"
sync -- "$part" || { rm -f -- "$part"; exit 82; }
digest "$from" read; first=$sum
digest "$part" verified
same || { rm -f -- "$part"; exit 84; }
[ "$first" = "$sum" ] || { rm -f -- "$part"; exit 83; }
if [ "$how" = replace ]; then
    mv -fT -- "$part" "$final" || exit 82
else
    # A link never takes the place of a file that is there already.
    ln -T -- "$part" "$final" || { [ -e "$final" ] && { rm -f -- "$part"; exit 85; }; mv -nT -- "$part" "$final"; }
    rm -f -- "$part"
fi
sync -- "$(dirname -- "$final")" 2>/dev/null
echo "sum $sum"
"""
)
"""A copy under another name, written to the disk, read back and compared; only then it gets its own name.
$5 is size and time of change that the original must still have, or nothing."""

COMPARE = (
    _WORK
    + """
digest "$2" read; first=$sum
digest "$3" verified
[ "$first" = "$sum" ] && echo "same" || echo "other"
"""
)

CHANGED_SINCE = (
    _WORK
    + """
[ -f "$2" ] || { echo gone; exit 0; }
digest "$2" read
[ "$sum" = "$3" ] && echo "same" || echo "other"
"""
)

REMOVE_COPY = (
    _WORK
    + """
[ -f "$2" ] && [ ! -L "$2" ] || { echo gone; exit 0; }
digest "$2" read
[ "$sum" = "$3" ] || { echo "kept"; exit 0; }
rm -f -- "$2" && echo "gone"
"""
)

MAKE_FOLDER = """
[ -d "$2" ] && [ ! -L "$2" ] && { echo there; exit 0; }
mkdir -- "$2" && chmod --reference="$1" -- "$2" || exit 82
chown --reference="$1" -- "$2" 2>/dev/null
echo made
"""

MAKE_LINK = """
if [ -L "$2" ] && [ "$(readlink -- "$2")" = "$1" ]; then echo there; exit 0; fi
[ -e "$2" ] || [ -L "$2" ] && exit 85
ln -sT -- "$1" "$2" && echo made || exit 82
"""

REMOVE_EMPTY = """
if [ -L "$1" ]; then [ "$(readlink -- "$1")" = "$2" ] && rm -f -- "$1"; else rmdir -- "$1" 2>/dev/null; fi
[ -e "$1" ] || [ -L "$1" ] || echo gone
"""

ASIDE = (
    LOCK
    + HOLDERS
    + """
target=$1 aside=$2
if mountpoint -q -- "$target"; then exit 72; fi
if [ -e "$aside" ]; then
    [ -z "$(ls -A -- "$target" 2>/dev/null)" ] || exit 86
    exit 0
fi
[ -d "$target" ] && [ ! -L "$target" ] || exit 88
held=$(holders "$target"); [ -z "$held" ] || { echo "$held" >&2; exit 87; }
mv -nT -- "$target" "$aside" || exit 89
[ -d "$aside" ] && [ ! -e "$target" ] || exit 89
mkdir -- "$target" && chmod --reference="$aside" -- "$target" && chown --reference="$aside" -- "$target" || exit 89
# Who opened a file between the look and the move holds it in its new place.
held=$(holders "$aside")
if [ -n "$held" ]; then
    rmdir -- "$target" && mv -nT -- "$aside" "$target"
    echo "$held" >&2; exit 87
fi
sync -- "$(dirname -- "$target")" 2>/dev/null || :
"""
)

RESTORE = (
    LOCK
    + """
target=$1 aside=$2
if mountpoint -q -- "$target"; then exit 72; fi
[ -d "$aside" ] || exit 88
if [ -e "$target" ]; then rmdir -- "$target" || exit 73; fi
mv -nT -- "$aside" "$target" && [ ! -e "$aside" ] || exit 89
sync -- "$(dirname -- "$target")" 2>/dev/null || :
"""
)

REMOVE_ASIDE = """
aside=$1 target=$2
mountpoint -q -- "$target" || exit 72
xargs -0 -r -n 3 sh -c 'original="$1/$3" copy="$2/$4"
    if [ ! -e "$original" ] && [ ! -L "$original" ]; then exit 0; fi
    if [ -L "$original" ]; then [ "$(readlink -- "$original")" = "${5#link }" ] && [ -L "$copy" ] && rm -f -- "$original"
    elif [ -d "$original" ]; then exit 0
    elif [ "$(find "$original" -maxdepth 0 -printf "%s %T@")" = "$5" ] && [ -f "$copy" ]; then rm -f -- "$original"; fi
    if [ -e "$original" ] || [ -L "$original" ]; then printf "%s\\0" "$3"; fi' kvmconsole "$aside" "$target"
find "$aside" -depth -type d -empty -delete
if [ -e "$aside" ]; then find "$aside" -mindepth 1 ! -type d -printf '%P\\0' | head -z -n 200; fi
"""
"""Reads three fields for each original and removes those that are as they were and whose copy lies on the share; writes what
it kept. The third is what it must be: size and time of change, or "link " and where it leads."""


def argv(script: str, *arguments: str) -> list[str]:
    """The argument list that runs `script` with `arguments` as $1, $2 and so on."""
    return ["sh", "-c", script, "kvmconsole", *arguments]
