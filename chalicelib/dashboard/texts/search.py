"""The search."""

TEXTS = {
    "title": "Search",
    "hero": "Find pictures by what is in them",
    "pictures": "Pictures",
    "describe": "Describe a picture",
    "search": "Search",
}
