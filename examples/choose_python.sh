#!/bin/sh
# The Python that the node's virtualenv is made with: 3.11 or later, and one that every account can run.
# Apps run under another account than root's; an interpreter below a 0700 home is none for them.
fits() {
    "$1" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || return 1
    [ "$(id -u)" != 0 ] && return 0
    real=$("$1" -c 'import os, sys; print(os.path.realpath(sys.executable))')
    while [ "$real" != / ]; do
        case $(stat -c %A "$real") in *[xt]) ;; *) return 1 ;; esac
        real=$(dirname "$real")
    done
}

for name in python3 /usr/bin/python3 /usr/local/bin/python3 python3.14 python3.13 python3.12 python3.11; do
    if fits "$name"; then
        command -v "$name"
        exit 0
    fi
done
echo python3
