"""Why an installation failed, as far as uv and compilers tell: the program, header or address that was not there.

FileNotFoundError: [Errno 2] No such file or directory: 'gdal-config'
src/blob.h:4:10: fatal error: sqlite3.h: No such file or directory
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_HEADER = re.compile(r"fatal error: ['\"]?(?P<file>[\w./+-]+\.(?:h|hpp|hh))['\"]?[:,]? (?:No such file|file not found)")
_LIBRARY = re.compile(r"(?:/ld|ld(?:\.\w+)?): cannot find -l(?P<name>[\w.+-]+)")
_SOUGHT = (
    "pg_config|mysql_config|gdal-config|geos-config|pkg-config|curl-config|xmlsec1-config|cmake|rustc|cargo|swig|ninja"
)
_PROGRAMS = (
    re.compile(r"No such file or directory: ['\"](?P<name>[A-Za-z][\w.+-]*)['\"]"),
    re.compile(r"(?:^|[\s/])(?P<name>[A-Za-z][\w.+-]*): (?:command )?not found\s*$", re.MULTILINE),
    re.compile(r"command ['\"](?:\S*/)?(?P<name>[\w.+-]+)['\"] failed: No such file or directory"),
    re.compile(r"[Uu]nable to execute ['\"]?(?P<name>[\w.+-]+)"),
    re.compile(rf"(?P<name>{_SOUGHT})\b[^\n]{{0,40}}\b(?:not found|is required|could not be found)"),
    re.compile(rf"(?:[Cc]ould not find|[Cc]an(?:'t|not) find) (?:the )?['\"`]?(?P<name>{_SOUGHT})\b"),
)
_PACKAGES = {
    **dict.fromkeys(("gdal-config", "gdal.h", "cpl_port.h"), "libgdal-dev"),
    **dict.fromkeys(("geos-config", "geos_c.h"), "libgeos-dev"),
    **dict.fromkeys(("proj.h", "proj_api.h"), "libproj-dev"),
    **dict.fromkeys(("pg_config", "libpq-fe.h", "pq"), "libpq-dev"),
    **dict.fromkeys(("mysql_config", "mysql.h", "mysqlclient"), "default-libmysqlclient-dev"),
    **dict.fromkeys(("sqlite3.h", "sqlite3"), "libsqlite3-dev"),
    **dict.fromkeys(("ffi.h", "ffi"), "libffi-dev"),
    **dict.fromkeys(("openssl/ssl.h", "openssl/opensslv.h", "openssl/evp.h", "ssl", "crypto"), "libssl-dev"),
    **dict.fromkeys(("libxml/xpath.h", "libxml/xmlversion.h", "libxml/parser.h", "xml2"), "libxml2-dev libxslt1-dev"),
    **dict.fromkeys(("xmlsec/xmlsec.h", "xmlsec1-config"), "libxmlsec1-dev"),
    **dict.fromkeys(("jpeglib.h", "jpeg"), "libjpeg-dev"),
    **dict.fromkeys(("zlib.h", "z"), "zlib1g-dev"),
    **dict.fromkeys(("lber.h", "ldap.h", "ldap"), "libldap2-dev libsasl2-dev"),
    **dict.fromkeys(("sasl/sasl.h", "sasl.h"), "libsasl2-dev"),
    **dict.fromkeys(("curl/curl.h", "curl-config"), "libcurl4-openssl-dev"),
    **dict.fromkeys(("yaml.h",), "libyaml-dev"),
    **dict.fromkeys(("librdkafka/rdkafka.h",), "librdkafka-dev"),
    **dict.fromkeys(("gcc", "cc", "g++", "c++", "x86_64-linux-gnu-gcc", "aarch64-linux-gnu-gcc"), "build-essential"),
    **dict.fromkeys(("rustc", "cargo"), "cargo"),
    **dict.fromkeys(("Python.h", "python.h"), "python3-dev"),
    **{
        name: name
        for name in ("cmake", "swig", "bison", "flex", "make", "gfortran", "git", "pkg-config", "ninja-build")
    },
}
_LIBPYTHON = re.compile(r"python3\.\d+")
_OWN_WAY = {
    "sqlite3.h": "Python's own sqlite3 needs none of it, and pysqlite3 0.6 or newer comes compiled.",
    "pg_config": "psycopg2-binary comes compiled.",
}
_REPOSITORY = re.compile(r"(?:\bgit\+|\bgit\"?\s*[=:]\s*\"(?:git\+)?|\burl\s*=\s*\")(?P<address>[a-z]+://[^\s'\"#;?]+)")
_GIT_FAILED = re.compile(
    r"Git operation failed|\bgit fetch\b|\bgit clone\b|Git executable not found|failed to clone into"
)
_NO_WHEEL = re.compile(
    r"only found wheels for `(?P<name>[\w.-]+)` \(v(?P<version>[^)]+)\) with [^:]*tags?: (?P<tags>.+)"
)
_TAG = re.compile(r"`cp3(?P<minor>\d+)m?`")
_NOT_BUILT = re.compile(r"Failed to (?:download and )?build `(?P<name>[\w.-]+)==(?P<version>[^`]+)`")
_OLDEST_TRIED = 10
_IGNORED = frozenset({"git+", "error", "warning", "hint", "module", "file", "package"})


def find_missing(output: Sequence[str]) -> str | None:
    """What compilers and build scripts looked for in vain: `gdal-config`, `sqlite3.h`."""
    text = "\n".join(output)
    for pattern in (_HEADER, *_PROGRAMS, _LIBRARY):
        match = pattern.search(text)
        if match and match[1] not in _IGNORED:
            return match[1]
    return None


def explain_missing(name: str) -> tuple[str, str]:
    """(why, cure): `gdal-config is missing on this node …`, `On the node: apt install libgdal-dev`."""
    kind = "The header" if name.endswith((".h", ".hpp", ".hh")) else "The program or library"
    why = f"{kind} {name} is missing on this node, and a package is compiled with it."
    package = f"lib{name}-dev" if _LIBPYTHON.fullmatch(name) else _PACKAGES.get(name)
    cure = f"On the node: apt install {package}" if package else f"Whoever keeps the node can install {name}"
    return why, f"{cure}. {_OWN_WAY.get(name, 'Or name a version of the package that comes compiled.')}"


def find_older_python(output: Sequence[str], python: str) -> tuple[str, str] | None:
    """For packages from before `python`, as `3.14.1`: (why, another Python to try, as `3.12`)."""
    text, minor = "\n".join(output), int(python.split(".")[1])
    lacking = _NO_WHEEL.search(text)
    known = [int(tag) for tag in _TAG.findall(lacking["tags"])] if lacking else []
    if lacking and known and max(known) < minor:
        why = f"{lacking['name']} {lacking['version']} comes compiled for Python 3.{max(known)} at most."
        return why, f"3.{max(known)}"
    failed = _NOT_BUILT.search(text)
    older = max(_OLDEST_TRIED, minor - 2)
    if failed and older < minor:
        why = f"{failed['name']} {failed['version']} could not be compiled; it may be from before Python 3.{minor}."
        return why, f"3.{older}"
    return None


def find_unreachable(output: Sequence[str], text: str) -> str | None:
    """The repository that could not be fetched, of those that `text` names, without credentials in its address."""
    said = "\n".join(output)
    if not _GIT_FAILED.search(said):
        return None
    addresses = [without_credentials(address) for address in list_repositories(text)]
    return next((address for address in addresses if address.partition("://")[2].removesuffix(".git") in said), None)


def list_repositories(text: str) -> list[str]:
    """`https://github.com/me/theme` for `git+https://github.com/me/theme@1f3a9c`, or as the three locks say it."""
    found = []
    for match in _REPOSITORY.finditer(text):
        scheme, _, rest = match["address"].partition("://")
        host, slash, path = rest.partition("/")
        found.append(f"{scheme}://{host}{slash}{path.partition('@')[0]}")
    return list(dict.fromkeys(found))


def without_credentials(address: str) -> str:
    """`https://me:secret@example.com/x` -> `https://example.com/x`."""
    scheme, separator, rest = address.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{separator}{host.rpartition('@')[2]}{slash}{path}"
