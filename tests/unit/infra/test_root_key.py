"""Sessions of the local account's root."""

from infra.root_key import RootKey, descriptions


def test_sessions_have_keys_of_their_own_and_share_the_descriptions_of_apis() -> None:
    one, other = (RootKey.make().session("us-east-1") for _ in range(2))
    credentials = [session.get_credentials() for session in (one, other)]
    assert len({each.access_key for each in credentials if each is not None}) == 2
    assert all(session._session.get_component("data_loader") is descriptions() for session in (one, other))
    assert one.client("sqs", endpoint_url="http://127.0.0.1:1").meta.service_model.service_name == "sqs"
