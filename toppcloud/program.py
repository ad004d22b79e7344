"""Running other programs: the one place that imports subprocess. No shell, a made environment, a time limit.

The child gets a process group of its own, so that a time limit or a cancellation ends all of it.
"""

from __future__ import annotations

import codecs
import contextlib
import io
import os
import resource
import selectors
import shutil
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NoReturn, cast

from toppcloud.account import Account
from toppcloud.errors import Cancelled, ToppcloudError

KEPT_LINES = 40
POLL_S = 0.1
KILL_AFTER_S = 5.0
BASE_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_LONGEST_LINE = 64 * 1024
_limit_lock = threading.Lock()


class ProgramFailed(ToppcloudError):
    """A program ended with another status than 0, or was ended by its time limit (status_code is then None)."""

    def __init__(self, argv: Sequence[str], status_code: int | None, output: Sequence[str], timeout_s: float) -> None:
        how = (
            f"did not end within {timeout_s:.0f} s"
            if status_code is None
            else f"ended with {_render_status(status_code)}"
        )
        super().__init__(f"{Path(argv[0]).name} {how}.", reason=f"{Path(argv[0]).name} failed"[:50], output=output)
        self.argv = tuple(argv)
        self.status_code = status_code


@dataclass(frozen=True)
class Finished:
    """What a program that ended well has written; stderr is part of it unless it was asked apart."""

    stdout: bytes
    lines: tuple[str, ...]


def run(
    argv: Sequence[str | os.PathLike[str]],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: bytes | Iterator[bytes] | IO[bytes] | int | None = None,
    stdout: IO[bytes] | int | None = None,
    timeout_s: float = 60.0,
    account: Account | None = None,
    on_line: Callable[[str], None] | None = None,
    is_cancelled: Callable[[], str | None] | None = None,
) -> Finished:
    """Run `argv` to its end.

    `env` is the whole environment (PATH is BASE_PATH when it has none). `stdin` is bytes to feed, a file, nothing,
    or an iterator of chunks, fed as they come from a thread; what it raises closes the program's stdin, and is raised
    here once the program ended. With `stdout` (a file or descriptor) standard output goes there and only stderr is
    read here. `account` is who runs it. Each line is passed to `on_line` as it comes. `is_cancelled` is asked every
    0.1 s; a text from it ends the program and raises Cancelled with that text.
    Raises ProgramFailed with the last lines, Cancelled, or ToppcloudError when it cannot be started.
    """
    words = [os.fspath(word) for word in argv]
    environment = {"PATH": BASE_PATH, "LANG": "C.UTF-8", **(env or {})}
    chunks: Iterator[bytes] | None = None
    feed: IO[bytes] | int
    if isinstance(stdin, bytes):
        feed = _as_file(stdin)
    elif isinstance(stdin, Iterator) and not isinstance(stdin, io.IOBase):
        chunks, feed = stdin, subprocess.PIPE
    else:
        feed = subprocess.DEVNULL if stdin is None else cast("IO[bytes] | int", stdin)
    output, child_end = _open_pipe(account)
    try:
        with _lifted_memory_limit():
            child = subprocess.Popen(
                words,
                env=environment,
                cwd=cwd,
                bufsize=0,
                stdin=feed,
                stdout=child_end if stdout is None else stdout,
                stderr=child_end,
                start_new_session=True,
                **(account.popen_arguments() if account else {}),
            )
    except (OSError, ValueError) as error:
        output.close()
        raise _refuse_start(words, error) from error
    finally:
        os.close(child_end)
        if isinstance(stdin, bytes) and not isinstance(feed, int):
            feed.close()
    if chunks is None:
        return _follow(child, output, words, timeout_s, on_line, is_cancelled)
    feeder = _Feeder(chunks, child)
    feeder.start()
    try:
        return _follow(child, output, words, timeout_s, on_line, is_cancelled)
    except ToppcloudError:
        if feeder.error is not None:
            raise feeder.error from None
        raise


def _open_pipe(account: Account | None) -> tuple[IO[bytes], int]:
    """Our end and the program's. It may open its end again by name, as `echo >/dev/stderr` does, so that is its own."""
    ours, its = os.pipe()
    if account is not None and not account.is_self:
        os.fchown(its, account.uid, account.gid)
    return os.fdopen(ours, "rb", buffering=0), its


class _Feeder(threading.Thread):
    """Writes chunks into a program's stdin while it runs. Ends when they end, fail, or the program reads no more."""

    def __init__(self, chunks: Iterator[bytes], child: subprocess.Popen[bytes]) -> None:
        super().__init__(name="feeder", daemon=True)
        assert child.stdin is not None
        self._chunks = chunks
        self._pipe = child.stdin
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            for chunk in self._chunks:
                rest = memoryview(chunk)
                while rest:
                    rest = rest[self._pipe.write(rest) :]
        except BrokenPipeError:
            pass  # the program's own status says why it reads no more
        except BaseException as error:
            self.error = error
        finally:
            self._pipe.close()


def find_program(name: str, path: str | None = None) -> Path | None:
    """Where `name` lies on `path` (BASE_PATH unless told), or None."""
    found = shutil.which(name, path=path or BASE_PATH)
    return Path(found) if found else None


def start_detached(argv: Sequence[str | os.PathLike[str]], *, env: Mapping[str, str], cwd: Path, output: Path) -> int:
    """Start a program that outlives us; its output is appended to `output` (0600). Returns its pid."""
    fd = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        child = subprocess.Popen(
            [os.fspath(word) for word in argv],
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=fd,
            stderr=fd,
            start_new_session=True,
        )
    finally:
        os.close(fd)
    child.returncode = 0  # it is nobody's child to wait for: no warning when this object goes
    return child.pid


def start_tethered(
    argv: Sequence[str | os.PathLike[str]], *, tether: int, output: int, descriptors: Sequence[int] = ()
) -> subprocess.Popen[bytes]:
    """Start a program whose stdin is `tether` and whose output is `output`; it is given `descriptors` under their
    numbers, and no variables. It must end when its stdin does: that is how the end of this process reaches it."""
    with _lifted_memory_limit():
        return subprocess.Popen(
            [os.fspath(word) for word in argv],
            env={"PATH": BASE_PATH, "LANG": "C.UTF-8"},
            cwd="/",
            stdin=tether,
            stdout=output,
            stderr=output,
            start_new_session=True,
            pass_fds=descriptors,
        )


def become(
    argv: Sequence[str | os.PathLike[str]], *, env: Mapping[str, str], cwd: Path, account: Account | None = None
) -> NoReturn:
    """Turn this process, its three streams and its terminal included, into a program; its exit status is then ours.

    `env` is the whole environment. Raises ToppcloudError when there is no such program.
    """
    words = [os.fspath(word) for word in argv]
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)  # Python ignores them, and a program would inherit that
    try:
        if account is not None and not account.is_self:
            os.setgroups([])
            os.setgid(account.gid)
            os.setuid(account.uid)
        os.chdir(cwd)
        os.execve(words[0], words, {"PATH": BASE_PATH, "LANG": "C.UTF-8", **env})
    except (OSError, ValueError) as error:
        raise _refuse_start(words, error) from error


def _refuse_start(words: Sequence[str], error: OSError | ValueError) -> ToppcloudError:
    """There is no such program, or a word or variable is too long for the kernel or holds a NUL byte."""
    if isinstance(error, FileNotFoundError | NotADirectoryError | PermissionError):
        why, reason = f"{error.strerror}: {error.filename}", "program missing"
    else:
        why, reason = f"{error.strerror if isinstance(error, OSError) else error}.", "program cannot be started"
    return ToppcloudError(f"{words[0]} cannot be run.", why, reason=reason)


def _follow(
    child: subprocess.Popen[bytes],
    pipe: IO[bytes],
    argv: Sequence[str],
    timeout_s: float,
    on_line: Callable[[str], None] | None,
    is_cancelled: Callable[[], str | None] | None,
) -> Finished:
    kept: deque[str] = deque(maxlen=KEPT_LINES)
    chunks: list[bytes] = []
    deadline = time.monotonic() + timeout_s
    cancelled: str | None = None

    def take_line(line: str) -> None:
        kept.append(line)
        if on_line:
            on_line(line)

    lines = _LineSplitter(take_line)
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(pipe, selectors.EVENT_READ)
            while time.monotonic() < deadline:
                if cancelled := (is_cancelled() if is_cancelled else None):
                    break
                if selector.select(POLL_S):
                    data = os.read(pipe.fileno(), 65536)
                    if not data:
                        break
                    chunks.append(data)
                    lines.feed(data)
                elif child.poll() is not None and not selector.select(0):
                    break  # it ended, and only a left-over grandchild holds the pipe
        lines.end()
        status = None if cancelled else _wait(child, deadline)
    finally:
        end_group(child.pid, is_ended=lambda: child.poll() is not None)
        child.wait()
        pipe.close()
    if cancelled:
        raise Cancelled(cancelled, reason="cancelled")
    if status != 0:
        raise ProgramFailed(argv, status, list(kept), timeout_s)
    return Finished(b"".join(chunks), tuple(kept))


class _LineSplitter:
    """Bytes in, whole lines out, decoded as UTF-8 with replacement; a carriage return ends a line too."""

    def __init__(self, take: Callable[[str], None]) -> None:
        self._take = take
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""

    def feed(self, data: bytes) -> None:
        *whole, self._rest = (
            (self._rest + self._decoder.decode(data)).replace("\r\n", "\n").replace("\r", "\n").split("\n")
        )
        for line in whole:
            self._take(line)
        if len(self._rest) > _LONGEST_LINE:
            self.end()

    def end(self) -> None:
        if self._rest:
            self._take(self._rest)
            self._rest = ""


def _wait(child: subprocess.Popen[bytes], deadline: float) -> int | None:
    try:
        return child.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        return None


def end_group(pid: int, *, is_ended: Callable[[], bool], kill_after_s: float = KILL_AFTER_S) -> None:
    """SIGTERM to the process group `pid`, then SIGKILL to what is left of it after `kill_after_s`."""
    if is_ended():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)  # left-over children of a leader that ended
        return
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGTERM)
    deadline = time.monotonic() + kill_after_s
    while not is_ended() and time.monotonic() < deadline:
        time.sleep(0.02)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


@contextlib.contextmanager
def _lifted_memory_limit() -> Iterator[None]:
    """A session's own memory limit is a soft one; what it runs for an app may have what the node may.

    Lifted for ourselves while we start it: to lift another account's takes a privilege that root lacks in containers.
    """
    with _limit_lock:
        soft, hard = resource.getrlimit(resource.RLIMIT_AS)
        if soft == hard:
            yield
            return
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _as_file(data: bytes) -> IO[bytes]:
    fd = os.memfd_create("stdin", os.MFD_CLOEXEC)
    file = os.fdopen(fd, "w+b")
    file.write(data)
    file.seek(0)
    return file


def _render_status(status_code: int) -> str:
    if status_code >= 0:
        return f"exit status {status_code}"
    try:
        return signal.Signals(-status_code).name
    except ValueError:
        return f"signal {-status_code}"
