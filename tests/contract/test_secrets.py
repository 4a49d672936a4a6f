"""The contract of every store of secrets: one suite, run on the fake and on the emulator's KMS."""

from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.adapters.kms.secrets import KMSSecrets
from chalicelib.domain.errors import SourceDenied, SourceUnavailable, Unavailable
from chalicelib.services.ports import Secrets
from tests.fakes.secrets import FakeSecrets

SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
LONGEST = "~" * 256


class SecretsContract:
    @pytest.fixture
    def secrets(self) -> Secrets:
        raise NotImplementedError

    @pytest.mark.parametrize("secret", [SECRET, LONGEST])
    def test_a_sealed_secret_is_opened_for_its_collection(self, secrets: Secrets, secret: str) -> None:
        sealed = secrets.seal("an account", "a collection", secret)
        assert secrets.open("an account", "a collection", sealed) == secret
        assert secret.encode() not in sealed
        assert len(sealed) < 4096

    @pytest.mark.parametrize("owner", [("an account", "another"), ("another", "a collection"), ("", "")])
    def test_a_sealed_secret_opens_for_no_other_collection(self, secrets: Secrets, owner: tuple[str, str]) -> None:
        sealed = secrets.seal("an account", "a collection", SECRET)
        with pytest.raises(SourceDenied):
            secrets.open(*owner, sealed)

    def test_what_was_never_sealed_is_lost(self, secrets: Secrets) -> None:
        with pytest.raises(SourceDenied):
            secrets.open("an account", "a collection", b"no ciphertext")


class TestFakeSecrets(SecretsContract):
    @pytest.fixture
    def secrets(self) -> Secrets:
        return FakeSecrets()


class TestKMS(SecretsContract):
    @pytest.fixture
    def kms(self, aws: Callable[[str], Any]) -> Any:
        return aws("kms")

    @pytest.fixture
    def key(self, kms: Any) -> str:
        return str(kms.create_key()["KeyMetadata"]["Arn"])

    @pytest.fixture
    def secrets(self, kms: Any, key: str) -> Secrets:
        return KMSSecrets(lambda: kms, key)

    def test_a_disabled_key_is_an_outage_and_no_loss(self, secrets: Secrets, kms: Any, key: str) -> None:
        sealed = secrets.seal("an account", "a collection", SECRET)
        kms.disable_key(KeyId=key)
        with pytest.raises(SourceUnavailable) as caught:
            secrets.open("an account", "a collection", sealed)
        assert type(caught.value) is SourceUnavailable
        with pytest.raises(Unavailable):
            secrets.seal("an account", "a collection", SECRET)
