"""The door over HTTP: each kind that is refused is tried, and each that is let in works."""

import os
import stat
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from infra.emulator import ACCOUNT, REGION, Emulator
from infra.localhost import direct_session, free_port
from infra.root_key import KEY_FILE, RootKey

FOREIGN = "https://evil.example"
BODY = b"a picture"

# One call of every API of AWS that the system uses.
CALLS: dict[str, Callable[[Any], Any]] = {
    "apigateway": lambda client: client.get_rest_apis(),
    "cloudformation": lambda client: client.list_stacks(),
    "cloudwatch": lambda client: client.list_metrics(),
    "cognito-idp": lambda client: client.list_user_pools(MaxResults=1),
    "dynamodb": lambda client: client.list_tables(),
    "events": lambda client: client.list_rules(),
    "iam": lambda client: client.list_roles(),
    "lambda": lambda client: client.list_functions(),
    "logs": lambda client: client.describe_log_groups(),
    "s3": lambda client: client.list_buckets(),
    "scheduler": lambda client: client.list_schedules(),
    "sqs": lambda client: client.list_queues(),
    "ssm": lambda client: client.describe_parameters(),
    "sts": lambda client: client.get_caller_identity(),
}


@pytest.fixture(scope="module")
def bucket(aws: Callable[..., Any]) -> Iterator[str]:
    """A bucket with one object, whose name is one label, and whose pages of any origin may read."""
    name, s3 = f"door-{uuid.uuid4().hex[:12]}", aws("s3")
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="a.jpg", Body=BODY)
    rule = {"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}
    s3.put_bucket_cors(Bucket=name, CORSConfiguration={"CORSRules": [rule]})
    yield name
    s3.delete_object(Bucket=name, Key="a.jpg")
    s3.delete_bucket(Bucket=name)


@pytest.fixture
def send(emulator: Emulator) -> Callable[..., requests.Response]:
    """Sends a request to the emulator's port, with these headers and without a signature."""

    def send(method: str, path: str, **options: Any) -> requests.Response:
        with direct_session() as session:
            return session.request(method, emulator.endpoint + path, timeout=10, **options)

    return send


@pytest.fixture
def signed(emulator: Emulator, send: Callable[..., requests.Response]) -> Callable[..., requests.Response]:
    """Sends a request that the root has signed for SQS; ``added`` are headers that a browser adds afterwards."""
    key = emulator.root_key

    def send_signed(method: str, path: str, added: dict[str, str] | None = None) -> requests.Response:
        headers = {"X-Amz-Target": "AmazonSQS.ListQueues", "Content-Type": "application/x-amz-json-1.0"}
        request = AWSRequest(method, emulator.endpoint + path, data=b"{}", headers=headers)
        SigV4Auth(Credentials(key.access_key_id, key.secret_access_key), "sqs", REGION).add_auth(request)
        return send(method, path, data=b"{}", headers={**dict(request.headers), **(added or {})})

    return send_signed


def client(emulator: Emulator, service: str, key: RootKey, **config: Any) -> Any:
    options = Config(proxies={}, retries={"max_attempts": 0}, **config)
    return key.session(REGION).client(service, endpoint_url=emulator.endpoint, config=options)


class TestWhoIsRefused:
    @pytest.mark.parametrize("host", ["evil.example", "evil.example:4566", "127.0.0.1.nip.io", "192.168.0.7"])
    def test_a_foreign_name_of_the_host(self, send, signed, host):
        assert send("GET", "/_ministack/health", headers={"Host": host}).status_code == 403
        assert send("GET", "/_aws/execute-api/x/live/api/docs/", headers={"Host": host}).status_code == 403
        assert signed("POST", "/", {"Host": host}).status_code == 403

    def test_a_page_of_another_origin_also_with_a_right_signature(self, signed):
        assert signed("POST", "/").ok
        answer = signed("POST", "/", {"Origin": FOREIGN})
        assert answer.status_code == 403
        assert "Access-Control-Allow-Origin" not in answer.headers

    @pytest.mark.parametrize("path", ["/", "/2015-03-31/functions"])
    def test_the_preflight_of_such_a_page(self, send, path):
        asked = {"Origin": FOREIGN, "Access-Control-Request-Method": "POST"}
        answer = send("OPTIONS", path, headers=asked | {"Access-Control-Request-Headers": "authorization"})
        assert answer.status_code == 403
        assert "Access-Control-Allow-Origin" not in answer.headers

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("GET", "/"),
            ("GET", "/a-bucket/a-key"),
            ("GET", "/2015-03-31/functions"),
            ("POST", "/"),
            ("POST", "/?Action=ListUsers&Version=2010-05-08"),
            ("GET", "/oauth2/userInfo"),
            ("POST", "/oauth2/idpresponse"),
            ("POST", "/graphql"),
        ],
    )
    def test_a_caller_without_a_signature(self, send, method, path):
        assert send(method, path, headers={"Content-Type": "text/plain"}).status_code == 403

    @pytest.mark.parametrize("service", CALLS)
    @pytest.mark.parametrize("wrong", ["secret", "key", "test", "account", "of another folder"])
    def test_a_wrong_signature_at_every_api(self, emulator: Emulator, service: str, wrong: str):
        """The emulator by itself takes the key ``test`` and every account's number, whatever the signature."""
        right = emulator.root_key
        key = {
            "secret": RootKey(right.access_key_id, "wrong"),
            "key": RootKey("AKIAUNKNOWNUNKNOWN00", right.secret_access_key),
            "test": RootKey("test", "test"),
            "account": RootKey(ACCOUNT, "test"),
            "of another folder": RootKey.make(),
        }[wrong]
        with pytest.raises(ClientError) as refused:
            CALLS[service](client(emulator, service, key))
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] in (400, 401, 403)

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("POST", "/_ministack/reset"),
            ("POST", "/_ministack/config"),
            ("GET", "/_ministack/sqs/messages"),
            ("GET", "/_ministack/ready"),
            ("GET", "/_ministack/lambda-code/x"),
            ("GET", "/_localstack/health"),
            ("GET", "/health"),
        ],
    )
    def test_whoever_asks_for_the_emulators_administration(self, aws, send, signed, method, path):
        queue = aws("sqs").create_queue(QueueName="kept")["QueueUrl"]
        assert send(method, path, data="{}", headers={"Content-Type": "text/plain"}).status_code == 403
        assert signed(method, path).status_code == 403
        assert aws("sqs").get_queue_url(QueueName="kept")["QueueUrl"] == queue

    def test_a_changed_presigned_url_and_a_changed_form(self, aws, bucket):
        url = aws("s3").generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "a.jpg"})
        form = aws("s3").generate_presigned_post(bucket, "form.jpg")
        with direct_session() as session:
            assert session.get(url.replace("a.jpg", "b.jpg"), timeout=10).status_code == 403
            fields = form["fields"] | {"key": "another.jpg"}
            assert session.post(form["url"], data=fields, files={"file": BODY}, timeout=10).status_code == 403
            assert session.post(form["url"], data={"key": "b.jpg"}, files={"file": BODY}, timeout=10).status_code == 403

    def test_who_knows_an_access_key_and_hides_its_forged_signature_behind_a_token(self, emulator, send):
        """The emulator by itself verifies no query that is signed for S3, if another service is called."""
        credential = f"{emulator.root_key.access_key_id}%2F20261126%2Fus-east-1%2Fs3%2Faws4_request"
        forged = "&".join(
            (
                f"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={credential}&X-Amz-Date=20261126T000000Z",
                f"X-Amz-Expires=604800&X-Amz-SignedHeaders=host&X-Amz-Signature={'0' * 64}",
            )
        )
        token = {"Authorization": "Token a", "X-Amz-Target": "AmazonSQS.ListQueues"}
        assert send("POST", f"/?{forged}", headers=token, data="{}").status_code in (400, 401, 403)
        assert send("GET", f"/2015-03-31/functions?{forged}", headers=token).status_code in (400, 401, 403)


class TestWhoIsLetIn:
    @pytest.mark.parametrize("service", CALLS)
    def test_the_root_at_every_api(self, emulator: Emulator, service: str):
        assert CALLS[service](client(emulator, service, emulator.root_key))["ResponseMetadata"]["HTTPStatusCode"] == 200

    def test_the_root_by_the_name_localhost(self, emulator: Emulator, bucket: str):
        endpoint = f"http://localhost:{emulator.port}"
        s3 = emulator.root_key.session(REGION).client("s3", endpoint_url=endpoint)
        assert s3.get_object(Bucket=bucket, Key="a.jpg")["Body"].read() == BODY

    def test_a_buckets_own_name_below_localhost(self, emulator: Emulator, bucket: str, send):
        """As SDKs with virtual-hosted addresses call S3."""
        options = Config(s3={"addressing_style": "virtual"}, signature_version="s3v4")
        endpoint = f"http://localhost:{emulator.port}"
        s3 = emulator.root_key.session(REGION).client("s3", endpoint_url=endpoint, config=options)
        url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "a.jpg"})
        host = f"{bucket}.localhost:{emulator.port}"
        assert url.startswith(f"http://{host}/a.jpg?")
        # Not every machine resolves names below localhost.
        assert send("GET", url.removeprefix(f"http://{host}"), headers={"Host": host}).content == BODY

    @pytest.mark.parametrize("version", ["s3", "s3v4"])
    def test_presigned_urls_from_every_page_with_the_buckets_own_cors(self, emulator: Emulator, bucket: str, version):
        s3 = client(emulator, "s3", emulator.root_key, signature_version=version)
        url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "a.jpg"})
        with direct_session() as session:
            answer = session.get(url, headers={"Origin": FOREIGN}, timeout=10)
            asked = {"Origin": FOREIGN, "Access-Control-Request-Method": "GET"}
            preflight = session.options(url.partition("?")[0], headers=asked, timeout=10)
            token = {"Authorization": "Token of the API, after a redirect"}
            assert session.get(url, headers=token, timeout=10).content == BODY
        assert answer.content == BODY
        assert answer.headers["Access-Control-Allow-Origin"] in ("*", FOREIGN)
        assert preflight.ok

    @pytest.mark.parametrize("version", ["s3", "s3v4"])
    def test_forms_from_every_page(self, emulator: Emulator, bucket: str, version):
        s3 = client(emulator, "s3", emulator.root_key, signature_version=version)
        form = s3.generate_presigned_post(bucket, "a.jpg")
        with direct_session() as session:
            sent = session.post(
                form["url"], data=form["fields"], files={"file": BODY}, headers={"Origin": FOREIGN}, timeout=10
            )
        assert sent.status_code == 204

    def test_the_deployed_api_and_its_pages_from_every_page(self, stack, send):
        path = stack.api_url.removeprefix(stack.aws_endpoint)
        assert send("GET", f"{path}/api/docs/", headers={"Origin": FOREIGN}).ok
        token = {"Authorization": f"Token {stack.token}", "Origin": FOREIGN}
        assert send("GET", f"{path}/api/search/?query=owl", headers=token).ok

    def test_whoever_asks_for_its_health(self, send):
        assert send("GET", "/_ministack/health").ok


class TestTheFolder:
    def test_each_folder_has_a_key_of_its_own_which_stays(self, tmp_path: Path):
        first, second = RootKey.of(tmp_path), RootKey.of(tmp_path)
        (tmp_path / "other").mkdir()
        assert first == second
        assert RootKey.of(tmp_path / "other") not in (first, second)
        assert first.secret_access_key not in repr(first)

    def test_its_files_are_its_owners_alone_also_those_that_an_earlier_version_left_open(self, tmp_path: Path):
        folder = tmp_path / "local"
        (folder / "s3").mkdir(parents=True)
        (folder / "s3" / "old").write_text("old")
        for path, mode in ((folder / "s3" / "old", 0o644), (folder / "s3", 0o755), (folder, 0o755)):
            path.chmod(mode)
        with Emulator(folder, free_port()) as emulator:
            s3 = emulator.session().client("s3", endpoint_url=emulator.endpoint)
            s3.create_bucket(Bucket="a-bucket")
            s3.put_object(Bucket="a-bucket", Key="a/b.jpg", Body=BODY)
            modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.rglob("*"))}
        assert {path.name: oct(mode) for path, mode in modes.items() if mode & 0o077} == {}
        assert modes[folder / KEY_FILE] == 0o600

    def test_the_root_key_is_not_in_the_log(self, emulator: Emulator):
        log = emulator.log.read_text(errors="replace")
        assert emulator.root_key.access_key_id not in log
        assert emulator.root_key.secret_access_key not in log

    @pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="looks at the arguments of a process")
    def test_the_root_key_is_not_among_the_arguments_of_a_process(self, emulator: Emulator):
        arguments = Path(f"/proc/{emulator.pid}/cmdline").read_bytes()
        assert emulator.root_key.access_key_id.encode() not in arguments


def test_the_tools_of_aws_work_with_the_keys_of_stack_json(stack, monkeypatch):
    """As docs/api.md uses them: boto3 with nothing but the endpoint, the region and the two keys."""
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    keys = {name: getattr(stack, name) for name in ("aws_access_key_id", "aws_secret_access_key")}
    sts = boto3.client("sts", endpoint_url=stack.aws_endpoint, region_name=stack.region, **keys)
    assert sts.get_caller_identity()["Arn"] == f"arn:aws:iam::{ACCOUNT}:root"
