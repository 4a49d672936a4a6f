"""Sends requests to the API: with the token, again after what passes, and with errors as the tree has them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from similarix_sdk.errors import ApiError, ConnectionFailed, InvalidAnswer, UploadRefused, api_error
from similarix_sdk.requests import Pause, Request, Response
from similarix_sdk.retries import RetryPolicy, retry_after
from similarix_sdk.steps import Envelope, Steps


@dataclass(frozen=True)
class ApiSender:
    """``base_url`` has no slash at its end. The token is sent to URLs below it and nowhere else."""

    base_url: str
    token: str
    retries: RetryPolicy
    user_agent: str

    def __repr__(self) -> str:
        return f"ApiSender({self.base_url!r})"

    def send(self, request: Request) -> Steps[Response]:
        """The last response; raises ConnectionFailed where there was none."""
        request = self._addressed(request)
        attempt = 0
        while True:
            attempt += 1
            failed: ConnectionFailed | None = None
            response: Response | None = None
            try:
                response = yield request
            except ConnectionFailed as error:
                failed = error
            if response is not None and response.ok:
                return response
            pause = self.retries.pause(attempt, response) if request.repeatable else None
            if pause is None:
                if failed is not None:
                    raise failed
                assert response is not None
                return response
            yield Pause(pause)

    def call(self, request: Request) -> Steps[Envelope]:
        """What a successful response has; raises ApiError for any other, and InvalidAnswer where it is no response."""
        response = yield from self.send(request)
        if response.ok and request.sink is not None:
            return Envelope({}, {})
        if not response.ok:
            raise refusal(response)
        parsed = response.parsed()
        info, result = parsed.get("info"), parsed.get("result")
        if not isinstance(info, dict) or not isinstance(result, dict):
            raise InvalidAnswer(f"The answer with status {response.status} has no result.")
        return Envelope(info, result)

    def _addressed(self, request: Request) -> Request:
        headers = {"User-Agent": self.user_agent, **request.headers}
        if not request.is_of_the_api:
            return replace(request, headers=headers)
        headers = {"Accept": "application/json", **headers, "Authorization": f"Token {self.token}"}
        return replace(request, target=self.base_url + request.target, headers=headers)


def check_form(response: Response) -> None:
    """Raises UploadRefused where S3 has not taken the file of a form."""
    if not response.ok:
        text = response.body.decode("utf-8", "replace")
        said = [match[1] for tag in ("Code", "Message") if (match := re.search(rf"<{tag}>([^<]*)</{tag}>", text))]
        reason = ": ".join(said) or f"status {response.status}"
        raise UploadRefused(f"S3 did not take the file: {reason}", response.status)


def refusal(response: Response) -> ApiError:
    """The error that an unsuccessful response stands for, whoever has sent it."""
    try:
        parsed = response.parsed()
    except InvalidAnswer:
        # A gateway or a proxy answered.
        parsed = {}
    info: Any = parsed.get("info")
    if not isinstance(info, Mapping):
        info = {"message": parsed["message"]} if parsed.get("message") else {}
    return api_error(response.status, info, retry_after(response))
