"""Registers all pages on one Chalice application."""

from collections.abc import Callable

from chalice.app import Blueprint, Chalice

from chalicelib.bootstrap import Services
from chalicelib.dashboard import (
    account,
    assets,
    collection_settings,
    collections,
    connect,
    first_run,
    members,
    pictures,
    search,
    selection,
    sign_in,
    tokens,
    uploads,
)
from chalicelib.dashboard.pages import PageDispatcher


def register_pages(app: Chalice, services: Callable[[], Services]) -> PageDispatcher:
    """Before the API's routes, which take all paths that are left."""
    dispatcher = PageDispatcher(services)
    for blueprint in blueprints(dispatcher):
        app.register_blueprint(blueprint)
    refusals = Blueprint(f"{__name__}.refusals")
    dispatcher.refuse_other_methods(refusals)
    app.register_blueprint(refusals)
    return dispatcher


def blueprints(dispatcher: PageDispatcher) -> list[Blueprint]:
    modules = (
        search,
        pictures,
        selection,
        first_run,
        connect,
        collections,
        collection_settings,
        uploads,
        sign_in,
        account,
        tokens,
        members,
        assets,
    )
    return [module.blueprint(dispatcher) for module in modules]
