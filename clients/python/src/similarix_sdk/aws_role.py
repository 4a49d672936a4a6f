"""The role of IAM that lets a bucket be read, made with the credentials of the bucket's owner."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Protocol

from similarix_sdk.models import BucketAccessReport

POLICY_NAME = "read"
# The API asks for a role whose name begins so: docs/api.md, Connecting a bucket.
PREFIX = "similarix-"


class Iam(Protocol):
    """What is used of boto3's client of IAM."""

    exceptions: Any

    def create_role(self, **arguments: Any) -> Any: ...

    def get_role(self, **arguments: Any) -> Any: ...

    def put_role_policy(self, **arguments: Any) -> Any: ...

    def update_assume_role_policy(self, **arguments: Any) -> Any: ...


@dataclass(frozen=True)
class PlannedRole:
    """A role as the API wants it for one folder of a bucket; the external id in it is of that folder alone."""

    name: str
    trust_policy: str
    permissions_policy: str

    @classmethod
    def of(cls, report: BucketAccessReport) -> "PlannedRole":
        """The same folder has the same name, so that a second run finds the role of the first."""
        digits = hashlib.sha256((report.external_id or "").encode()).hexdigest()[:16]
        return cls(PREFIX + digits, _document(report.trust_policy), _document(report.permissions_policy))

    def create(self, iam: Iam) -> str:
        """Create it, or give it these policies where it exists; returns its ARN."""
        try:
            made = iam.create_role(
                RoleName=self.name,
                AssumeRolePolicyDocument=self.trust_policy,
                Description="Lets Similarix read pictures",
            )
        except iam.exceptions.EntityAlreadyExistsException:
            made = iam.get_role(RoleName=self.name)
            iam.update_assume_role_policy(RoleName=self.name, PolicyDocument=self.trust_policy)
        iam.put_role_policy(RoleName=self.name, PolicyName=POLICY_NAME, PolicyDocument=self.permissions_policy)
        return str(made["Role"]["Arn"])


def _document(policy: Any) -> str:
    return json.dumps(policy, indent=2)
