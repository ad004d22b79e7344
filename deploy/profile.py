"""What a project's own scripts set for its processes: .profile.d/*.sh, which buildpacks write, and then .profile.

.profile.d/nodejs.sh    export PATH="$HOME/.heroku/node/bin:$PATH"

bash reads them in the project's folder, then becomes the program: its pid, descriptors, terminal and signals are those
that bash was given, so sockets and stopping work as without.
Source: https://devcenter.heroku.com/articles/buildpack-api (`.profile.d/`), …/articles/dynos (`.profile`)
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from toppcloud.files import read_plain_file

_FOLDER = ".profile.d"
_OWN = ".profile"
_COMMENT = re.compile(rb"(?:^|(?<=\s))#.*", re.MULTILINE)
_BACKGROUND = re.compile(rb"(?<![&<>|\\])&(?![&>\d])")
_LARGEST_BYTES = 64 * 1024
# The words are put aside while the scripts run: `set --` in one of them would change "$@". A script may `cd`.
_READ_AND_EXEC = """\
toppcloud_argv=("$@"); toppcloud_home=$PWD; set --
for toppcloud_file in "$toppcloud_home"/.profile.d/*.sh "$toppcloud_home"/.profile; do
  [ -f "$toppcloud_file" ] && . "$toppcloud_file"
done
exec "${toppcloud_argv[@]}"
"""


def find_profile(source: Path) -> tuple[Path, ...]:
    """The scripts, in the order in which they are read. Empty for most projects."""
    own = source / _OWN
    found = (*sorted((source / _FOLDER).glob("*.sh")), own)
    return tuple(path for path in found if path.is_file())


def with_profile(source: Path, argv: Sequence[str]) -> list[str]:
    """The argv that reads the project's scripts first, for a current directory of `source`; as it is without any."""
    if not find_profile(source):
        return list(argv)
    return ["/bin/bash", "-c", _READ_AND_EXEC, "toppcloud", *argv]


def leaves_processes(source: Path) -> bool:
    """Whether a script starts a program that runs beside (`agent &`), and must be stopped along."""
    scripts = (read_plain_file(path, _LARGEST_BYTES) or b"" for path in find_profile(source))
    return any(_BACKGROUND.search(_COMMENT.sub(b"", script)) for script in scripts)
