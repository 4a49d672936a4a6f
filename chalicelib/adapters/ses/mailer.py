"""Mails by Amazon SES.

https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html
"""

from collections.abc import Callable
from email.utils import formataddr
from functools import cached_property
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.domain.errors import MailRefused
from chalicelib.domain.invitation_mails import Mail

SENDER_NAME = "Similarix"


class SESMailer:
    """Args:
    client: creates the client when the first mail is sent; few processes send one.
    sender: an address of an identity that SES has verified.
    """

    def __init__(self, client: Callable[[], Any], sender: str) -> None:
        self._create_client = client
        self._sender = sender

    @cached_property
    def _client(self) -> Any:
        return self._create_client()

    def send(self, mail: Mail) -> None:
        body = {"Text": _content(mail.text), "Html": _content(mail.html)}
        try:
            self._client.send_email(
                FromEmailAddress=formataddr((SENDER_NAME, self._sender)),
                Destination={"ToAddresses": [mail.to]},
                Content={"Simple": {"Subject": _content(mail.subject), "Body": body}},
            )
        except ClientError as error:
            raise MailRefused(f"SES refused the mail: {error.response['Error'].get('Code')}.") from error
        except BotoCoreError as error:
            raise MailRefused("SES did not answer.") from error


def _content(text: str) -> dict[str, str]:
    return {"Data": text, "Charset": "UTF-8"}
