"""The services that a node can give to an app, by name."""

from __future__ import annotations

from deploy.services.postgres import PostgresService
from deploy.services.service import Service
from toppcloud.errors import ToppcloudError, suggest_nearest

SERVICES: dict[str, Service] = {service.name: service for service in (PostgresService(),)}
_OTHER_NAMES = {"postgresql": "postgres", "heroku-postgresql": "postgres", "pg": "postgres"}


def require_service(name: str) -> Service:
    """The service called `name`, or known by that name elsewhere. Raises ToppcloudError naming those there are."""
    service = SERVICES.get(_OTHER_NAMES.get(name, name))
    if service is None:
        raise ToppcloudError(
            f"There is no service '{name}'.{suggest_nearest(name, SERVICES)}",
            f"This node gives: {', '.join(sorted(SERVICES))}.",
            "For any other, run it elsewhere and set its address: toppcloud config:set NAME_URL=…",
            reason="no such service",
        )
    return service
