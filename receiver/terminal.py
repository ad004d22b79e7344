"""A pseudo-terminal for a session, with the size and the modes of the person's own.

Source: RFC 4254, section 8 (encoded terminal modes); termios(3).
"""

from __future__ import annotations

import fcntl
import os
import struct
import termios
from collections.abc import Mapping

_CHARACTERS = {
    1: termios.VINTR,
    2: termios.VQUIT,
    3: termios.VERASE,
    4: termios.VKILL,
    5: termios.VEOF,
    6: termios.VEOL,
    7: termios.VEOL2,
    8: termios.VSTART,
    9: termios.VSTOP,
    10: termios.VSUSP,
    12: termios.VREPRINT,
    13: termios.VWERASE,
    14: termios.VLNEXT,
}
_INPUT, _OUTPUT, _LOCAL = 0, 1, 3
_IUTF8 = 0o40000
_FLAGS = {
    36: (_INPUT, termios.ICRNL),
    38: (_INPUT, termios.IXON),
    39: (_INPUT, termios.IXANY),
    40: (_INPUT, termios.IXOFF),
    41: (_INPUT, termios.IMAXBEL),
    42: (_INPUT, _IUTF8),
    50: (_LOCAL, termios.ISIG),
    51: (_LOCAL, termios.ICANON),
    53: (_LOCAL, termios.ECHO),
    54: (_LOCAL, termios.ECHOE),
    55: (_LOCAL, termios.ECHOK),
    56: (_LOCAL, termios.ECHONL),
    57: (_LOCAL, termios.NOFLSH),
    58: (_LOCAL, termios.TOSTOP),
    59: (_LOCAL, termios.IEXTEN),
    60: (_LOCAL, termios.ECHOCTL),
    61: (_LOCAL, termios.ECHOKE),
    70: (_OUTPUT, termios.OPOST),
    72: (_OUTPUT, termios.ONLCR),
    73: (_OUTPUT, termios.OCRNL),
    75: (_OUTPUT, termios.ONLRET),
}
_DISABLED = 255
_LARGEST_SIDE = 65535


def open_terminal(columns: int, rows: int, modes: Mapping[int, int]) -> tuple[int, int]:
    """A new pty (master, slave), neither inherited by programs. `modes`: {opcode: value}, unknown ones skipped."""
    master, slave = os.openpty()
    set_modes(slave, modes)
    set_size(master, columns, rows)
    os.set_blocking(master, False)
    return master, slave


def set_size(fd: int, columns: int, rows: int) -> None:
    """Tell the terminal its size; whoever runs in its foreground gets SIGWINCH."""
    sides = (min(rows, _LARGEST_SIDE), min(columns, _LARGEST_SIDE))
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", *sides, 0, 0))


def set_modes(fd: int, modes: Mapping[int, int]) -> None:
    """Apply what the person's own terminal is set to."""
    attributes = termios.tcgetattr(fd)
    for opcode, value in modes.items():
        if opcode in _CHARACTERS and value <= _DISABLED:
            attributes[6][_CHARACTERS[opcode]] = bytes([0 if value == _DISABLED else value])
        elif opcode in _FLAGS:
            index, flag = _FLAGS[opcode]
            attributes[index] = attributes[index] | flag if value else attributes[index] & ~flag
    termios.tcsetattr(fd, termios.TCSANOW, attributes)


def render_end_of_input(fd: int, *, in_line: bool) -> bytes:
    """What to type so that a reader of the terminal sees the end: Ctrl-D, twice in the middle of a line.

    Nothing when its program reads every key itself.
    """
    attributes = termios.tcgetattr(fd)
    if not attributes[_LOCAL] & termios.ICANON:
        return b""
    end: bytes = attributes[6][termios.VEOF]
    return end * 2 if in_line else end
