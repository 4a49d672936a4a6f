"""Signing in and out."""

TEXTS = {
    "title": "Sign in",
    "hero": "Find any picture in your S3 buckets by describing it",
    "lead": (
        "Connect a bucket or upload pictures, then search by words, by a picture, or by both. Your files stay where "
        "they are."
    ),
    "begin": "Sign in or sign up",
    "begin_invited": "Sign in",
    "hint": "The next page asks for your e-mail address. We never see your password.",
    "failed": "You are not signed in.",
    "change_user": "Sign in as somebody else",
    "example": "animals in green light",
    "example_not": "not",
    "example_left_out": "people",
    "joined": "You also belong to {accounts} now. Switch on your account's page.",
    "signed_out": "You are signed out.",
    "signing_out_title": "Signing out",
    "signing_out": "You are signed out here. The sign-in pages forget you now, too.",
    "go_on": "Go on",
}
