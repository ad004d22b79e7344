"""apps, apps:create, apps:info, apps:rename, apps:destroy, open."""

from __future__ import annotations

from deploy.app import create_app, destroy_app, list_hosts, require_free_name, stop_app
from deploy.app_lock import lock_app
from deploy.app_settings import read_app_settings
from deploy.bindings import read_bindings
from deploy.boot import boot_app, sweep_app
from deploy.release import read_live_release
from deploy.start import choose_formation
from hooks.renaming import give_name
from receiver.session import Session
from toppcloud.app_layout import AppLayout
from toppcloud.durations import render_size
from toppcloud.errors import ToppcloudError
from toppcloud.files import size_of_tree
from toppcloud.slug import read_slug


def list_apps(session: Session, *, as_json: bool) -> None:
    settings = session.node.settings
    apps = [
        {"name": name, "url": settings.url(name), "release": session.app(name).live_number()}
        for name in session.node.layout.app_names()
    ]
    if as_json:
        session.print_json(apps)
    elif not apps:
        session.write("No apps yet. A first push makes one: toppcloud git:remote NAME; git push toppcloud main")
    else:
        session.print_table(
            (app["name"], f"v{app['release']}" if app["release"] else "no release", app["url"]) for app in apps
        )


def create(session: Session, *, name: str) -> None:
    app = create_app(session.node, name)
    session.write(f"{app.name} made; it will answer at {session.node.settings.url(app.name)}")
    session.write(f"Push to it: toppcloud git:remote {app.name}; git push toppcloud main")


def info(session: Session, *, app: str, as_json: bool) -> None:
    layout = session.app(app)
    facts = _describe(session, layout)
    if as_json:
        session.print_json(facts)
        return
    release = facts["release"]
    session.print_table(
        [
            ("app", app),
            ("url", facts["url"]),
            ("release", f"v{release}" if release else "none yet"),
            ("domains", ", ".join(facts["domains"])),  # type: ignore[arg-type]
            ("repository", facts["repository"]),
            ("processes", ", ".join(f"{name}={count}" for name, count in facts["processes"].items())),  # type: ignore[attr-defined]
            ("services", ", ".join(facts["services"]) or "none"),  # type: ignore[arg-type]
            ("python", facts["python"] or ""),
            ("disk", render_size(int(str(facts["size_bytes"])))),
        ]
    )


def _describe(session: Session, app: AppLayout) -> dict[str, object]:
    release = read_live_release(app)
    slug = read_slug(app.slug(release.slug)) if release else None
    return {
        "name": app.name,
        "url": session.node.settings.url(app.name),
        "release": release.version if release else None,
        "domains": list_hosts(session.node, app),
        "repository": f"ssh://toppcloud@{session.host}/{app.name}",
        "processes": choose_formation(release, read_app_settings(app)) if release else {},
        "services": sorted(read_bindings(app)),
        "python": slug.python_version if slug else None,
        "size_bytes": size_of_tree(app.folder),
    }


def rename(session: Session, *, app: str, new_name: str) -> None:
    """Both locks are held: nothing is built or put live meanwhile. The processes start again under the new name."""
    layout = session.app(app)
    with lock_app(layout, by=session.person, doing="renaming", console=session.console):
        require_free_name(session.node, new_name)
        stop_app(session.node, layout)
        renamed = give_name(session.node, layout, new_name)
        sweep_app(renamed)
        boot_app(session.node, renamed, session.console)
    session.write(f"{app} is {new_name} now: {session.node.settings.url(new_name)}")
    session.write(f"Its git address changed too: toppcloud git:remote {new_name}")


def destroy(session: Session, *, app: str, confirm: str | None, discard_data: bool) -> None:
    if confirm != app:
        raise ToppcloudError(
            f"{app} was not destroyed.",
            "This removes its code, releases, config, files and services. Name it, to show that it is meant."
            if confirm is None
            else f"--confirm names '{confirm}', the app is '{app}'.",
            f"toppcloud apps:destroy -a {app} --confirm {app}",
        )
    layout = session.app(app)
    with lock_app(layout, by=session.person, doing="destroying", console=session.console):
        dumps = destroy_app(session.node, layout, keeps_data=not discard_data)
    session.write(f"{app} is gone.")
    for dump in dumps:
        session.write(f"A dump of its data is kept on the node: {dump}")


def open_app(session: Session, *, app: str) -> None:
    session.write(session.node.settings.url(app))
