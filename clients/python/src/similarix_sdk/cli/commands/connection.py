"""Connects a bucket: the role that reads it, the collection, and the first sync."""

from dataclasses import dataclass
from typing import Annotated

import typer

from similarix_sdk.aws_role import PlannedRole
from similarix_sdk.cli.access_key import read_access_key
from similarix_sdk.cli.arguments import CollectionName, find_collection
from similarix_sdk.cli.exits import Exit
from similarix_sdk.cli.session import Aws, Session, session_of
from similarix_sdk.client import Client
from similarix_sdk.models import BucketAccessReport, CreatedCollection
from similarix_sdk.role_policies import check_policies

# IAM shows a new role everywhere after some seconds:
# https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency
ATTEMPTS, SECONDS = 20, 3.0
# What may be so because the role is new.
NOT_YET = frozenset({"role_not_assumable", "list_denied", "get_denied"})


def register(app: typer.Typer) -> None:
    app.command()(connect)
    app.command("access-key")(change_access_key)


@dataclass(frozen=True)
class _Source:
    bucket: str
    folder: str | None
    region: str | None

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}{self.folder or ''}"

    @property
    def name(self) -> str:
        """What the collection is called unless its owner says so: the folder, or the bucket."""
        return (self.folder or "").strip("/").rpartition("/")[2] or self.bucket


def connect(  # each is an option of the command
    context: typer.Context,
    uri: Annotated[str, typer.Argument(help="The bucket, and a folder of it.", metavar="s3://BUCKET/FOLDER")],
    region: Annotated[str | None, typer.Option(help="The bucket's region; else AWS is asked.")] = None,
    name: Annotated[str | None, typer.Option(help="What the collection is to be called.")] = None,
    role: Annotated[str | None, typer.Option(help="The ARN of a role that you have made.", metavar="ARN")] = None,
    create_role: Annotated[
        bool, typer.Option("--create-role", help="Make the role with your own credentials of AWS, after asking.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    profile: Annotated[str | None, typer.Option(help="A profile of your credentials of AWS.")] = None,
    every: Annotated[str | None, typer.Option(help="Sync by itself: daily, weekly or monthly.")] = None,
    sync: Annotated[bool, typer.Option("--sync/--no-sync", help="Start the first sync.")] = True,
    endpoint: Annotated[
        str | None, typer.Option(help="The server of a bucket that is not on AWS; its access key is asked for.")
    ] = None,
) -> None:
    """Connect a folder of a bucket of yours as a collection.

    similarix connect s3://my-bucket/photos --create-role

    Similarix reads it through a role that you own, and that you can withdraw. Without --role and --create-role this
    prints which role is needed, and creates nothing. Prints the collection's uuid.

    similarix connect s3://my-bucket/photos --endpoint https://s3.example.com

    S3-compatible storage is read with an access key: of SIMILARIX_ACCESS_KEY_ID and SIMILARIX_SECRET_ACCESS_KEY, of
    prompts, or of two lines of standard input. No option takes a secret, because shells keep what they are told.
    """
    session = session_of(context)
    bucket, folder = _parts(uri)
    if endpoint is not None:
        if role or create_role or profile:
            raise typer.BadParameter("A bucket at an endpoint is read with an access key, not by a role of AWS.")
        identifier, secret = read_access_key(session.environ)
        source = _Source(bucket, f"/{folder}" if folder else None, region)
        with session.client() as client:
            created = client.collections.connect(
                source.bucket,
                name=name or source.name,
                region=region,
                endpoint=endpoint,
                folder=source.folder,
                auto_sync_interval=every,
                access_key_id=identifier,
                secret_access_key=secret,
            )
            _finish(session, client, created, sync=sync)
        return
    region = region or _region_of(bucket, session.aws(profile, None))
    source = _Source(bucket, f"/{folder}" if folder else None, region)
    with session.client() as client:
        if role is None:
            report = client.collections.check(source.bucket, region=source.region, folder=source.folder)
            # Who makes the role by hand pastes what is printed, so it is checked, too.
            check_policies(report, source.bucket, source.folder)
            role = _make_role(session, source, report, profile, yes) if create_role else None
            if role is None:
                _explain(session, report)
                raise typer.Exit(Exit.INCOMPLETE)
        report = _wait(session, client, source, role, is_new=create_role)
        if not report.readable:
            for problem in report.problems:
                session.output.complain(f"{problem.error}: {problem.message}")
            raise typer.Exit(Exit.FAILED)
        created = client.collections.connect(
            source.bucket,
            name=name or source.name,
            region=source.region,
            role_arn=role,
            folder=source.folder,
            auto_sync_interval=every,
        )
        _finish(session, client, created, sync=sync)


def change_access_key(context: typer.Context, collection: CollectionName) -> None:
    """Give a collection at an endpoint another access key, once that reads its bucket.

    The key is read as 'similarix connect --endpoint' reads it.
    """
    session = session_of(context)
    with session.client() as client:
        uuid = find_collection(client, collection)
        identifier, secret = read_access_key(session.environ)
        changed = client.collections.change(uuid, access_key_id=identifier, secret_access_key=secret)
    session.output.say(f"{changed.collection.name} is read with the access key {changed.collection.access_key_id}.")


def _finish(session: Session, client: Client, created: CreatedCollection, *, sync: bool) -> None:
    for warning in created.warnings:
        session.output.complain(f"{warning.warning}: {warning.message}")
    if sync:
        session.output.complain(client.syncs.start(created.collection.uuid))
    session.output.line(created.collection.uuid)


def _parts(uri: str) -> tuple[str, str]:
    scheme, _, rest = uri.partition("://")
    bucket, _, folder = rest.partition("/")
    if scheme != "s3" or not bucket:
        raise typer.BadParameter(f"A bucket is written s3://BUCKET/FOLDER, not {uri!r}.")
    return bucket, folder.rstrip("/")


def _region_of(bucket: str, aws: Aws) -> str:
    """S3 says it in a header even where the call is denied, so this needs no right to the bucket."""
    try:
        answer = aws.client("s3").head_bucket(Bucket=bucket)
    except Exception as error:
        # botocore's ClientError has the response; another error has none, and says itself what is wrong.
        answer = getattr(error, "response", None)
        if answer is None:
            raise ValueError(f"AWS does not say where the bucket is: {error} Give --region.") from error
    region = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("x-amz-bucket-region")
    if not region:
        raise ValueError("AWS does not say where the bucket is: give --region.")
    return str(region)


def _make_role(
    session: Session, source: _Source, report: BucketAccessReport, profile: str | None, yes: bool
) -> str | None:
    planned, aws = PlannedRole.of(report), session.aws(profile, source.region)
    account = aws.client("sts").get_caller_identity()["Account"]
    session.output.complain(f"In your AWS account {account} this makes the role {planned.name}.")
    session.output.complain("Similarix alone may assume it, with the external id of this folder:")
    print(planned.trust_policy, file=session.output.err)
    session.output.complain(f"It may list the names in the bucket {source.bucket}, and read {source.uri}:")
    print(planned.permissions_policy, file=session.output.err)
    if not yes and not typer.confirm("Make this role?", err=True):
        return None
    return planned.create(aws.client("iam"))


def _explain(session: Session, report: BucketAccessReport) -> None:
    planned = PlannedRole.of(report)
    session.output.complain("Nothing was connected. Make a role whose name begins with 'similarix-', such as")
    session.output.complain(f"{planned.name}, with this trust policy:")
    print(planned.trust_policy, file=session.output.err)
    session.output.complain("and this permissions policy:")
    print(planned.permissions_policy, file=session.output.err)
    session.output.complain("Then run this again with --role and its ARN, or now with --create-role.")


def _wait(session: Session, client: Client, source: _Source, role: str, *, is_new: bool) -> BucketAccessReport:
    """Whether the role can read the folder; a new one is asked for again until IAM shows it everywhere."""
    for attempt in range(1, ATTEMPTS + 1):
        report = client.collections.check(source.bucket, region=source.region, folder=source.folder, role_arn=role)
        problems = {problem.error for problem in report.problems}
        if report.readable or not is_new or not problems <= NOT_YET or attempt == ATTEMPTS:
            break
        session.output.complain("AWS does not show the new role everywhere yet; waiting.")
        session.sleep(SECONDS)
    return report
