"""Names that carry a hash of the file's content, so that whoever has the file need not ask for it ever again.

app.55e7cbb9ba48.css    Django's ManifestStaticFilesStorage
main.8f3a2b1c.chunk.js  webpack
index-BkN2Xw3a.js       Vite
"""

from __future__ import annotations

import re
from itertools import pairwise

_HEX = re.compile(r"(?:^|[._~-])([0-9a-f]{8,64})(?:\.(?:chunk|bundle|module|min))?(?:\.[a-z0-9]{1,8}){1,2}$")
_MIXED = re.compile(r"[.-]([A-Za-z0-9_-]{8})\.(?:m?js|css|wasm|woff2?|ttf|svg|png|jpe?g|gif|webp|avif)(?:\.map|\.gz)?$")
_CLASSES = (str.islower, str.isupper, str.isdigit)
_CHANGES = 3


def is_hashed(name: str) -> bool:
    """Whether the name of a file says what is in it. In doubt no: such a file is asked for once more, and no harm done.

    A date (`style-20261122.css`) is none, nor is a word: `jquery-validate.js`, `report-Version2.pdf`.
    """
    if found := _HEX.search(name):
        return bool(re.search("[0-9]", found[1]) and re.search("[a-f]", found[1]))
    found = _MIXED.search(name)
    return found is not None and _looks_random(found[1])


def _looks_random(text: str) -> bool:
    kinds = [next((number for number, is_it in enumerate(_CLASSES) if is_it(letter)), -1) for letter in text]
    changes = sum(a != b for a, b in pairwise(kinds))
    return {0, 1, 2} <= set(kinds) and changes >= _CHANGES
