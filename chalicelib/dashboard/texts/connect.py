"""Connecting a bucket."""

TEXTS = {
    "title": "Connect a bucket",
    "lead": (
        "About three minutes. We only ever read, through a role in your AWS account that you can delete at any time."
    ),
    "elsewhere": "Not on AWS? Connect S3-compatible storage",
    "server_title": "Connect S3-compatible storage",
    "server_lead": (
        "A bucket of Cloudflare R2, MinIO, Wasabi, Backblaze B2, Ceph or the like. We only ever read, with an access "
        "key that you can delete at any time."
    ),
    "on_aws": "The bucket is on AWS",
    "server_no_events": (
        "Such a bucket tells us of no changes: they are found by syncs alone, and Settings says how often."
    ),
    "endpoint": "Endpoint",
    "endpoint_hint": "The server, such as https://s3.example.com",
    "server_region_hint": "As the server names it; empty if it has none.",
    "etags_differ": "The server's ETags differ between its listings and its objects, so changes are found by size and "
    "time of storage: one within two seconds that keeps the size is not, and none that keeps it where the server tells "
    "no times.",
    "access_key_id": "Access key id",
    "access_key_id_hint": "It needs to list the bucket and to read its objects, and nothing else.",
    "secret_access_key": "Secret access key",
    "secret_access_key_hint": "It is encrypted, and shown to nobody again.",
    "back": "Collections",
    "done": "(done)",
    "step_name": "Name the bucket",
    "change": "Change",
    "name": "Name",
    "name_hint": "As you will see it in lists.",
    "bucket": "Bucket",
    "bucket_hint": "Its name, or s3://bucket/folder",
    "folder": "Folder",
    "folder_hint": "Empty means the whole bucket.",
    "region": "Region",
    "go_on": "Go on",
    "step_read": "Let us read it",
    "read_lead": "Your AWS account makes a role called {role}. Only we can use it, and only with the id {external_id}.",
    "one_click": "By one click",
    "one_click_lead": "Opens CloudFormation with everything filled in. Press “Create stack” there, then come back.",
    "notify": (
        "The bucket also tells us of changes, which are found within seconds then. What it tells others stays as it is."
    ),
    "no_notify": "The bucket is in another region than this service, so syncs alone find its changes.",
    "create": "Create the role in AWS",
    "create_alone": "Without notifications",
    "template": "Template",
    "by_template": "With the template, in a shell",
    "by_hand": "By hand, in a shell",
    "by_hand_lead": "Two documents and two commands. If a KMS key encrypts the bucket, allow kms:Decrypt on it, too.",
    "commands": "Commands",
    "trust": "Trust policy",
    "read_policy": "Policy",
    "notifications": "Notifications",
    "notifications_lead": (
        "For changes within seconds. Merge this into what the bucket tells others: one call of S3's replaces all of it."
    ),
    "copy_this": "Copy",
    "role": "The role’s ARN, or the number of your AWS account",
    "role_hint": "The 12 digits are enough if the role has the name above. The ARN is in the stack’s “Outputs”.",
    "check": "Check",
    "step_check": "We check",
    "looking": "Looking every 5 seconds",
    "gave_up": "Not yet. Check again once the role is there.",
    "check_again": "Check again",
    "ready_badge": "All good",
    "check_assume": "The role exists and lets us in",
    "check_external_id": "It refuses everybody without your external id",
    "check_bucket": "The bucket exists, in {region}",
    "check_list": "We may list it",
    "check_read": "We may read a picture",
    "failed_assume": "The role does not let us in yet",
    "failed_external_id": "The role lets in others, too",
    "failed_bucket": "There is no such bucket in this region",
    "failed_list": "We may not list the bucket",
    "failed_read": "We may not read the pictures",
    "copy_statement": "Copy the statement",
    "step_connect": "Connect and sync",
    "connect": "Connect and sync",
    "when_ready": "Ready once every check is green.",
    "daily": "Syncs daily from then on; Settings has other intervals.",
    "manual": "Syncs when you say so.",
    "connected": "Connected. The first pictures are searchable in a minute.",
}
