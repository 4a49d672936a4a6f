"""What stands around every page."""

TEXTS = {
    "product": "Similarix",
    "skip": "Skip to the content",
    "home": "Similarix, search",
    "main_navigation": "Main",
    "search": "Search",
    "collections": "Collections",
    "upload": "Upload",
    "your_account": "your account",
    "account": "Account",
    "tokens": "Tokens",
    "members": "Members",
    "sign_out": "Sign out",
    "help": "Help",
    "documentation": "Documentation",
    "dismiss": "Dismiss",
    "copied": "Copied",
    "not_copied": "Your browser did not let us copy. Select the text and copy it.",
    "offline": "You are offline.",
    "offline_hint": "What you see stays; searches go on once you are back.",
    "sent_again": "The connection was lost. Nothing was changed; try again.",
}
