"""nltk.txt: the corpora that NLTK is to find when the app runs, fetched by NLTK's own downloader.

stopwords
city_database       one identifier of NLTK's index a line, packages and collections alike
They lie in `nltk_data` in the project: HOME is the project's folder when the app runs, and NLTK looks there by itself.
NLTK_INDEX_URL, a config var or in the operator's build.env, names another index than NLTK's own.
Source: https://www.nltk.org/data.html
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from buildpacks.buildpack import Workshop
from buildpacks.source_text import read_source_text
from buildpacks.uv import hide_credentials
from toppcloud.console import Console
from toppcloud.disk import refusing_full_disk
from toppcloud.errors import ToppcloudError
from toppcloud.files import remove_tree
from toppcloud.program import ProgramFailed

NLTK = "nltk"
FILE = "nltk.txt"
FOLDER = "nltk_data"
VARIABLE = "NLTK_INDEX_URL"
_UNREACHABLE, _UNKNOWN = 3, 4
_MOST_ENTRIES = 200
_COPY_TIMEOUT_S = 300
_ENTRY = re.compile(r"[A-Za-z0-9][\w.-]{0,99}\Z", re.ASCII)
# Asks for the index first, so that one that cannot be reached and a name that is not in it are told apart.
_DOWNLOAD = """
import sys, warnings
warnings.simplefilter("ignore")
from nltk.downloader import Downloader
url, folder, *names = sys.argv[1:]
downloader = Downloader(*([url] if url else []), download_dir=folder)
try:
    downloader.index()
except Exception as error:
    print(error)
    sys.exit(3)
known = {item.id for item in (*downloader.packages(), *downloader.collections())}
unknown = [name for name in names if name not in known]
if unknown:
    print("not in the index:", *unknown)
    sys.exit(4)
sys.exit(0 if all([downloader.download(name, download_dir=folder) for name in names]) else 1)
"""


def parse_nltk_txt(text: str) -> tuple[str, ...]:
    """The identifiers, each once. Raises ToppcloudError quoting the line that is none."""
    names: dict[str, None] = {}
    for number, raw in enumerate(text.splitlines(), 1):
        for name in raw.partition("#")[0].split():
            if not _ENTRY.match(name) or len(names) == _MOST_ENTRIES:
                raise ToppcloudError(
                    f"{FILE}, line {number}, is no name of NLTK's index: {name[:100]}",
                    "" if len(names) < _MOST_ENTRIES else f"{_MOST_ENTRIES} names are the limit; there is also: all",
                    "The names are listed at https://www.nltk.org/nltk_data/. Correct it, commit, push again.",
                    reason=f"invalid {FILE}",
                )
            names[name] = None
    return tuple(names)


def fetch_corpora(workshop: Workshop, python: Path, console: Console) -> dict[str, str]:
    """Put what nltk.txt names into the project. For a project whose `python` has NLTK.

    Returns variables for later steps of the build, where HOME is another folder. Raises ToppcloudError or Cancelled.
    """
    text = read_source_text(workshop.source, FILE)
    if text is None:
        console.step(f"NLTK without {FILE}: no corpora are fetched")
        return {}
    names = parse_nltk_txt(text)
    if not names:
        return {}
    target = workshop.source / FOLDER
    with console.timed_step("") as timed:
        fetched, is_new = _fetch(workshop, python, names, console)
        _copy(workshop, fetched, target)
        timed.text = f"{FILE}: {', '.join(names)}{'' if is_new else ', as before'}"
    return {"NLTK_DATA": str(target)}


def _fetch(workshop: Workshop, python: Path, names: tuple[str, ...], console: Console) -> tuple[Path, bool]:
    """Where they lie in the app's cache, and whether they were fetched now."""
    cache = workshop.cache("nltk")
    url = workshop.environment.install.get(VARIABLE, "")
    whole = cache / hashlib.sha256("\n".join((url, *sorted(names))).encode()).hexdigest()[:16]
    if workshop.uses_cache and whole.is_dir() and not whole.is_symlink():
        return whole, False
    remove_tree(cache)
    aside = workshop.cache("nltk") / "new"
    try:
        _run(
            workshop,
            [str(python), "-B", "-c", _DOWNLOAD, url, str(aside), *names],
            workshop.node.settings.build_timeout_s,
            console,
        )
    except ProgramFailed as failure:
        raise _refusal(failure, names, url) from failure
    _run(workshop, ["mv", "-T", "--", str(aside), str(whole)], _COPY_TIMEOUT_S, console)
    return whole, True


def _copy(workshop: Workshop, fetched: Path, target: Path) -> None:
    """As the account: neither folder is safe for root to write in."""
    workshop.node.account.own_tree(workshop.source)
    for argv in (["mkdir", "-p", "--", str(target)], ["cp", "-a", "--reflink=auto", "--", f"{fetched}/.", str(target)]):
        with refusing_full_disk(workshop.app.folder):
            _run(workshop, argv, _COPY_TIMEOUT_S, None)


def _run(workshop: Workshop, argv: list[str], timeout_s: float, console: Console | None) -> None:
    workshop.run(
        argv,
        {**workshop.environment.install, "NLTK_ALLOW_PROXIED_URLOPEN": "1"},  # the operator's proxy, if any
        cwd=workshop.slug.tmp,
        timeout_s=timeout_s,
        on_line=(lambda line: console.detail(hide_credentials(line))) if console else None,
    )


def _refusal(failure: ProgramFailed, names: tuple[str, ...], url: str) -> ToppcloudError:
    index = hide_credentials(url) if url else "NLTK's own index, at raw.githubusercontent.com"
    if failure.status_code == _UNREACHABLE:
        return ToppcloudError(
            f"{FILE}: the index of NLTK's data cannot be read.",
            f"It is {index}. What it answered is above.",
            f"Push again later, or name a copy: toppcloud config:set {VARIABLE}=https://…/index.xml\n"
            f"Or commit the data as {FOLDER}/ and remove {FILE}.",
            reason="NLTK's index unreachable",
        )
    ending = "It was ended by its time limit." if failure.status_code is None else "Its last lines are above."
    why = "They are named above." if failure.status_code == _UNKNOWN else ending
    what = "names what NLTK's index has not" if failure.status_code == _UNKNOWN else "could not be fetched"
    return ToppcloudError(
        f"{FILE} {what}.",
        f"{why} It asks for {', '.join(names)[:300]}.",
        "The names are listed at https://www.nltk.org/nltk_data/. Correct it, commit, push again.",
        reason=f"{FILE} cannot be fetched",
    )
