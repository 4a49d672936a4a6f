"""Send a bucket's events to Similarix, beside the notifications it has already. The bucket's owner runs it:

    python -m infra.notifications --bucket my-bucket --folder images --queue ARN_OF_THE_EVENTS_QUEUE

with the owner's own AWS credentials. The queue is the stack's output EventsQueueArn.
"""

import argparse
import sys
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.domain.bucket_access import events_of_another_region
from chalicelib.domain.collections import parse_folder
from chalicelib.domain.errors import InvalidRequest, SimilarixError
from chalicelib.domain.notifications import merge_notifications, queue_region

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client


def notify(s3: "S3Client", bucket: str, prefix: str, events_queue: str) -> bool:
    """Have the bucket notify our queue of objects below the prefix; returns whether its configuration had to change.

    Raises:
        InvalidRequest: the queue is in another region than the bucket.
        AmbiguousNotifications: another destination receives the same events.
    """
    region = s3.head_bucket(Bucket=bucket).get("BucketRegion")
    if region is not None and region != queue_region(events_queue):
        raise InvalidRequest(events_of_another_region(queue_region(events_queue)).message)
    existing: Any = s3.get_bucket_notification_configuration(Bucket=bucket)
    existing.pop("ResponseMetadata", None)
    merged: Any = merge_notifications(existing, prefix, events_queue)
    if merged == existing:
        return False
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=merged)
    return True


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m infra.notifications", description=__doc__)
    parser.add_argument("--bucket", required=True)
    parser.add_argument("--folder", default="", help="the collection's folder (default: the whole bucket)")
    parser.add_argument("--queue", required=True, help="the ARN of the events queue")
    parser.add_argument("--region", help="the bucket's; by default your profile's")
    options = parser.parse_args(arguments)
    try:
        s3 = boto3.Session(region_name=options.region).client("s3")
        changed = notify(s3, options.bucket, parse_folder(options.folder), options.queue)
    except (BotoCoreError, ClientError, SimilarixError) as error:
        print(error, file=sys.stderr)
        return 1
    print(
        "The bucket sends its events to Similarix from now on."
        if changed
        else "The bucket sends its events to Similarix already."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
