"""Ruby projects: what is refused before anything is installed, how they start, and what Bundler makes of them."""

from __future__ import annotations

import pytest

from buildpacks import ruby
from buildpacks.gemfile_lock import GemfileLock
from buildpacks.ruby import Project, choose_web, read_project, read_wanted
from tests.buildpacks.conftest import Builder
from tests.language_samples import need_bundler, ruby_files
from toppcloud.errors import ToppcloudError


@pytest.mark.parametrize(
    ("files", "said", "cure"),
    [
        ({}, "no Gemfile", "bundle init"),
        ({"Gemfile": ""}, "without Gemfile.lock", "git add -f Gemfile.lock"),
        ({"Gemfile": "", "Gemfile.lock": "PLATFORMS\n  arm64-darwin-23\n"}, "not for this node", "--add-platform"),
    ],
)
def test_project_that_cannot_be_installed_is_refused_with_the_line_to_type(write_project, files, said, cure):
    with pytest.raises(ToppcloudError, match=said) as refused:
        read_project(write_project(files))
    assert cure in refused.value.cure


@pytest.mark.parametrize(
    ("gemfile", "wanted"),
    [
        ("", ()),
        ('ruby "3.1.2"\n', ("3.1.2",)),
        ("  ruby '>= 3.0', '< 4'\n", (">= 3.0", "< 4")),
        ('ruby("~> 3.1")\n', ("~> 3.1",)),
        ('ruby "2.6.8", engine: "jruby", engine_version: "9.3"\n', ("2.6.8",)),
        ('# ruby "9"\nruby file: ".ruby-version"\n', ("3.2.1",)),
        ('gem "ruby-vips"\n', ()),
    ],
)
def test_version_that_the_gemfile_asks_for_is_read(write_project, gemfile, wanted):
    assert read_wanted(write_project({"Gemfile": gemfile, ".ruby-version": "ruby-3.2.1\n"})) == wanted


@pytest.mark.parametrize(
    ("files", "gems", "command"),
    [
        ({}, {"rake": "13"}, None),
        ({"config.ru": ""}, {"rack": "2"}, "bundle exec rackup config.ru -o 127.0.0.1 -p $PORT"),
        ({"config.ru": ""}, {"puma": "6"}, "bundle exec puma -b tcp://127.0.0.1:$PORT"),
        ({"config.ru": ""}, {"railties": "7", "puma": "6"}, "bundle exec puma -b tcp://127.0.0.1:$PORT"),
        ({"config.ru": ""}, {"railties": "7"}, "bundle exec rails server -b 127.0.0.1 -p $PORT"),
    ],
)
def test_web_process_follows_from_the_gems(write_project, files, gems, command):
    source = write_project({"Gemfile": "", **files})
    project = Project(GemfileLock(gems), "", (), "railties" in gems)
    chosen = choose_web(source, project)
    assert (chosen.command if chosen else None) == command


@pytest.mark.node
def test_gems_are_installed_from_the_lock_and_reused(builder: Builder):
    need_bundler()
    slug = builder.push(ruby_files())
    bins = builder.app.slug(slug.id).source / "vendor/bundle/bin"
    assert [path.name for path in bins.iterdir()] == ["rackup"]
    assert slug.processes == {"web": "bundle exec rackup config.ru -o 127.0.0.1 -p $PORT"}
    assert (slug.environment["RACK_ENV"], slug.environment["BUNDLE_PATH"]) == ("production", "vendor/bundle")
    builder.push(ruby_files("bye"))
    assert "Gemfile.lock unchanged: gems reused" in builder.text
    builder.push({**ruby_files(), "Gemfile": ruby_files()["Gemfile"] + "# one line more\n"})
    assert "Gemfile.lock changed: bundle install" in builder.text


@pytest.mark.node
def test_gemfile_that_the_lock_does_not_know_is_refused(builder: Builder):
    need_bundler()
    files = ruby_files()
    with pytest.raises(ToppcloudError) as refused:
        builder.push({**files, "Gemfile": files["Gemfile"] + 'gem "rake"\n'})
    assert "do not say the same" in refused.value.why


@pytest.mark.node
def test_ruby_that_the_node_has_not_is_refused(builder: Builder):
    need_bundler()
    files = ruby_files()
    with pytest.raises(ToppcloudError, match=r"Gemfile wants Ruby 1\.9\.3") as refused:
        builder.push({**files, "Gemfile": files["Gemfile"] + 'ruby "1.9.3"\n'})
    assert "It has" in refused.value.why


def test_missing_runtime_names_the_packages(node, monkeypatch, tmp_path):
    monkeypatch.setattr("buildpacks.runtime.BASE_PATH", str(tmp_path))
    with pytest.raises(ToppcloudError, match="no Ruby that apps can use") as refused:
        ruby.choose_ruby(node, Project(GemfileLock(), "", (), False))
    assert "apt-get install ruby bundler" in refused.value.cure
