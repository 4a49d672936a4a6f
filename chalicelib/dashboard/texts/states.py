"""The words, tones and icons of states, and the reasons for which files could not be read."""

# The words, the tone, and the icon of each state of a sync.
SYNC_STATES = {
    "pending": ("Not synced yet", "", "wait"),
    "in_progress": ("Syncing", "moving", "sync"),
    "completed": ("Up to date", "good", "done"),
    "failed": ("Sync failed", "bad", "failed"),
    "cancelled": ("Cancelled", "", "stopped"),
    "needs_confirmation": ("Needs confirmation", "warn", "warning"),
}
FILE_STATES = {
    "indexed": ("Searchable", "good", "done"),
    "pending": ("Waiting", "", "wait"),
    "failed": ("Failed", "bad", "failed"),
    "removed": ("Removed", "", "stopped"),
}

# Why a file could not be read: the title, and what to do.
REASONS = {
    "over_plan": ("No room in the plan", "Make room or change the plan; the next sync adds them by itself."),
    "not_an_image": (
        "Not a picture",
        "The name says picture, the content does not. Leave them out with a pattern in Settings.",
    ),
    "truncated_image": ("Cut off", "The file ends before the picture does. Upload it again."),
    "unsupported_format": ("A format we cannot read", "Save it as JPEG, PNG or WebP."),
    "empty": ("Empty", "The file has no bytes. Upload it again."),
    "too_large": ("Too large", "Larger than we read. Make it smaller."),
    "too_many_pixels": ("Too many pixels", "Make it smaller, or cut it into parts."),
    "archived": (
        "Archived",
        "They lie in Glacier and cannot be read at once. Restore them in S3, then look again.",
    ),
    "source_denied": ("We may not read it", "Check the bucket’s policy and the object’s key."),
    "access_denied": ("We may not read it", "Check the bucket’s policy and the object’s key."),
    "source_refused": (
        "The bucket refused it",
        "Look again; if it stays, the object’s settings are at fault.",
    ),
    "too_costly": ("Too much work to read", "Make it smaller, or save it anew with another program."),
    "decoder_crashed": ("Damaged", "Reading it fails. Save it anew with another program."),
    "source_not_found": ("Gone before it was read", "Nothing to do."),
    "given_up": ("Failed on our side", "Upload it again."),
    "file_exists": ("The name was taken", "Upload it under another name."),
    "vanished": ("Gone before it was read", "Nothing to do."),
    "unfinished": ("Gone before it was read", "Nothing to do."),
}
OTHER_REASON = ("Could not be read ({reason})", "Look again; if it stays, upload the file again.")


# In place of those above, for what was uploaded: nothing lies in a bucket of the customer's.
UPLOAD_ADVICE = {
    "not_an_image": "The name says picture, the content does not. Upload the picture instead.",
    "over_plan": "Make room or change the plan, then look again.",
}


def reason_words(reason: str, *, uploaded: bool = False) -> tuple[str, str]:
    """The title of a reason, and what to do about it; one that is not listed has its code in the title."""
    title, advice = REASONS.get(reason, OTHER_REASON)
    return title.format(reason=reason), UPLOAD_ADVICE.get(reason, advice) if uploaded else advice
