"""Which names tell their content. A wrong yes keeps an old file in browsers for a year; a wrong no costs a question."""

from __future__ import annotations

import pytest

from buildpacks.hashed_names import is_hashed


@pytest.mark.parametrize(
    "name",
    [
        "app.55e7cbb9ba48.css",
        "app.55e7cbb9ba48.css.map",
        "jquery.min.c9f5aeeca3ad.js",
        "main.8f3a2b1c.chunk.js",
        "main-8f3a2b1c9d.js",
        "vendors~main.8f3a2b1c.js",
        "index-BkN2Xw3a.js",
        "index-D_x9k-Qz.css",
        "logo-CzY7pQ1v.svg",
        "0a1b2c3d4e5f6071.js",
    ],
)
def test_hash_in_a_name_is_seen(name):
    assert is_hashed(name)


@pytest.mark.parametrize(
    "name",
    [
        "app.css",
        "style-20261122.css",
        "photo.20261122143005.jpg",
        "jquery-validate.js",
        "report-Version2.pdf",
        "slides-Chapter1.svg",
        "bootstrap.min.js",
        "jquery-3.7.1.min.js",
        "deadbeef.css",
        "the-deadbeef.css",
        "font-awesome.css",
        "index-BkN2Xw3a",
        "index-BkN2Xw3a.html",
        "README",
        "55e7cbb9ba48",
    ],
)
def test_words_versions_and_dates_are_no_hashes(name):
    assert not is_hashed(name)
