"""Why a virtualenv is not used again, and what its record gives away."""

from __future__ import annotations

import dataclasses
import json

import pytest

from buildpacks.recipe import Recipe, compute_key, explain, parse_recipe

RECIPE = Recipe(1, "3.11.2", "one", "pip", "sha256:1", ("gunicorn",), {"PIP_INDEX_URL": "a41c"}, "")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, []),
        ({"lock": "sha256:2"}, []),
        ({"python": "3.12.7", "build": "two"}, ["Python changed (3.11.2 -> 3.12.7)"]),
        ({"build": "two"}, ["another build of Python 3.11.2"]),
        ({"manager": "uv"}, ["the package manager changed (pip -> uv)"]),
        ({"servers": ("uvicorn",)}, ["uvicorn runs it now and gunicorn does not run it any more"]),
        ({"servers": ()}, ["gunicorn does not run it any more"]),
        ({"variables": {"PIP_INDEX_URL": "ffff", "CFLAGS": "0000"}}, ["CFLAGS, PIP_INDEX_URL changed"]),
        ({"local": "x"}, ["what is installed from the project's own folders changed"]),
        ({"format": 2}, ["this toppcloud makes them in another way"]),
    ],
)
def test_reasons_name_what_changed(change, said):
    now = dataclasses.replace(RECIPE, **change)
    assert explain(RECIPE, now) == said
    assert (compute_key(now, now.variables) == compute_key(RECIPE, RECIPE.variables)) == (now == RECIPE)


def test_recipe_is_read_back_and_one_of_an_older_toppcloud_is_none():
    assert parse_recipe(json.loads(json.dumps(dataclasses.asdict(RECIPE)))) == RECIPE
    assert parse_recipe(None) is None
    assert parse_recipe({"python": "3.11.2"}) is None


def test_whole_values_of_variables_decide_and_are_not_kept():
    assert compute_key(RECIPE, {"A": "1"}) != compute_key(RECIPE, {"A": "2"})
