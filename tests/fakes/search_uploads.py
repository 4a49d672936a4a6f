"""Uploads to search by in memory."""

from collections import Counter

from chalicelib.domain.search_uploads import SearchUpload, hour_of


class FakeSearchUploads:
    """Tests may inspect ``stored`` uploads by account and id."""

    def __init__(self) -> None:
        self.stored: dict[tuple[str, str], SearchUpload] = {}
        self._prepared: Counter[tuple[str, str]] = Counter()

    def add(self, upload: SearchUpload, limit: int) -> bool:
        hour = upload.account, hour_of(upload.created_at)
        if self._prepared[hour] >= limit:
            return False
        self._prepared[hour] += 1
        self.stored[upload.account, upload.id] = upload
        return True

    def get(self, account: str, upload_id: str) -> SearchUpload | None:
        return self.stored.get((account, upload_id))

    def remove(self, account: str, upload_id: str) -> None:
        self.stored.pop((account, upload_id), None)
