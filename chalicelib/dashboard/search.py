"""The search, which is the first page."""

from chalice.app import Blueprint

from chalicelib.dashboard.pages import Page, PageDispatcher, PageRequest


def blueprint(dispatcher: PageDispatcher) -> Blueprint:
    search = Blueprint(__name__)
    page = dispatcher.pages(search)

    @page("/")
    def show_search(_: PageRequest) -> Page:
        return Page("search.html")

    return search
