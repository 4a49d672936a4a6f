"""What a browser says of itself in ``User-Agent``, in words: its product and its system, as far as it can be told.

Browsers name others besides themselves, so the order matters:
https://developer.mozilla.org/en-US/docs/Web/HTTP/Guides/Browser_detection_using_the_user_agent
"""

PRODUCTS = {
    "Edg": "Edge",
    "OPR/": "Opera",
    "SamsungBrowser/": "Samsung Internet",
    "Firefox/": "Firefox",
    "FxiOS/": "Firefox",
    "CriOS/": "Chrome",
    "Chrome/": "Chrome",
    "Safari/": "Safari",
}
SYSTEMS = {
    "iPhone": "iPhone",
    "iPad": "iPad",
    "Android": "Android",
    "CrOS": "ChromeOS",
    "Windows": "Windows",
    "Mac OS X": "Mac",
    "Linux": "Linux",
}


def agent_name(agent: str) -> str | None:
    """``Firefox on Linux``; None for a browser that is not known."""
    product = next((name for mark, name in PRODUCTS.items() if mark in agent), None)
    system = next((name for mark, name in SYSTEMS.items() if mark in agent), None)
    if product is None:
        return None
    return f"{product} on {system}" if system else product
