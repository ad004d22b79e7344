"""What a service is to the rest of the house, and what an app's tie to one consists of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Protocol

from toppcloud.app_layout import AppLayout
from toppcloud.node import Node


class BindingState(Enum):
    """How far a tie between an app and a service has come."""

    MAKING = "making"
    """Written before anything is made, so that what a crash leaves behind is known by name."""
    READY = "ready"
    LEAVING = "leaving"
    """No next release gets its variables; what it holds goes once no live release has them."""


@dataclass(frozen=True)
class Binding:
    """One app's tie to one service, as services.json holds it."""

    state: BindingState
    facts: dict[str, str] = field(repr=False)
    """What the service must remember: names and passwords."""
    prefix: str = ""
    """`ANALYTICS` when the URL is to be called ANALYTICS_URL; empty for the service's own names."""
    options: dict[str, str] = field(default_factory=dict)
    """{"scheme": "postgres"}"""


@dataclass(frozen=True)
class ServiceStatus:
    """What a service says of itself and of one app's part of it."""

    version: str
    """`18.4`"""
    size_bytes: int
    connections: int


class Service(Protocol):
    """Something that an app declares and is given variables for. Every method may run twice, also after a crash."""

    @property
    def name(self) -> str: ...

    def parse_options(self, options: Mapping[str, str]) -> dict[str, str]:
        """The options that a declaration may have; raises ToppcloudError for others."""

    def plan(self, node: Node, app: AppLayout) -> dict[str, str]:
        """New facts for an app. Makes nothing."""

    def attach(self, node: Node, app: AppLayout, binding: Binding) -> ServiceStatus:
        """Make what the facts name, or see that it is there. Never replaces by something empty what was READY."""

    def render_variables(self, node: Node, binding: Binding) -> dict[str, str]:
        """The environment variables that the app is given. Asks no server."""

    def inspect(self, node: Node, app: AppLayout, binding: Binding) -> ServiceStatus:
        """What is there, without making or mending anything."""

    def describe(self, node: Node, binding: Binding) -> dict[str, str]:
        """What else a person may want to know, e.g. {"server": "the node's own, 127.0.0.1:23456"}."""

    def dump(self, node: Node, app: AppLayout, binding: Binding) -> Path | None:
        """A file in kept/ with all data; None when there is none. From then on the app can no longer write."""

    def destroy(self, node: Node, binding: Binding) -> None:
        """Remove what the facts name."""
