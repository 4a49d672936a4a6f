"""Renders pages with Jinja2, which escapes every text that a template inserts.

A page's template begins with ``{% extends layout %}``: the layout is the whole page, or only the block that htmx asks
for. Templates know ``t`` (the texts, by section and key), ``counted(key, number)``, ``url(path)``, ``asset(name)``,
``icon(name)``, ``csrf_field()`` (which every form that changes something has), ``csrf`` (its value), ``once_field()``
(which every form that makes a secret has, see ``chalicelib.dashboard.repetition``), ``signed_in``,
``path`` (of the route), ``is_fragment``, ``toast``, ``now`` and the filters of ``chalicelib.dashboard.filters``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from chalicelib.dashboard import filters, repetition
from chalicelib.dashboard.static_files import asset_path
from chalicelib.dashboard.texts import TEXTS, counted
from chalicelib.services.sessions import SignedIn

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True, slots=True)
class Frame:
    """What every page shows around its own part.

    Args:
        prefix: the stage or base path before every path.
        path: of the route, with the names of its parameters.
        toast: the text that says what was just done.
        toast_is_stored: whether a cookie has a key, which is shown once.
    """

    prefix: str
    path: str
    now: datetime
    signed_in: SignedIn | None
    is_fragment: bool
    toast: str | None
    toast_is_stored: bool


@cache
def environment() -> Environment:
    """The one environment: it keeps compiled templates, and refuses a variable or text that does not exist."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters |= filters.FILTERS
    made.globals |= {"t": TEXTS, "counted": counted}
    return made


def compile_templates() -> None:
    """Compile all templates, which the environment keeps."""
    for name in environment().list_templates(extensions=["html"]):
        environment().get_template(name)


def render(template: str, data: Mapping[str, Any], frame: Frame, block: str | None = None) -> str:
    """The page, or one block of it: what htmx replaces.

    Args:
        template: its file.
        block: the name of a block of the template.

    Raises:
        jinja2.UndefinedError: the template names a variable or text that does not exist.
    """
    layout = "page.html" if block is None else "fragment.html"
    variables = {**_frame_variables(frame), "layout": layout, "fragment": block, **data}
    return environment().get_template(template).render(variables)


def _frame_variables(frame: Frame) -> dict[str, Any]:
    def url(path: str) -> str:
        return frame.prefix + path

    def asset(name: str) -> str:
        return frame.prefix + asset_path(name)

    @cache  # a page of results has a hundred of them
    def icon(name: str) -> Markup:
        return Markup('<svg class="icon" aria-hidden="true"><use href="{}#{}"/></svg>').format(asset("icons.svg"), name)

    def csrf_field() -> Markup:
        return Markup('<input type="hidden" name="csrf" value="{}">').format(csrf)

    def once_field() -> Markup:
        return Markup('<input type="hidden" name="{}" value="{}">').format(repetition.FIELD, repetition.new_value())

    signed_in = frame.signed_in
    csrf = signed_in.key.csrf_token if signed_in is not None else ""
    return {
        "url": url,
        "asset": asset,
        "path": frame.path,
        "now": frame.now,
        "signed_in": signed_in,
        "csrf": csrf,
        "csrf_field": csrf_field,
        "once_field": once_field,
        "icon": icon,
        "is_fragment": frame.is_fragment,
        "toast": frame.toast,
    }
