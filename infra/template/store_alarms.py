"""The alarms of the vector store: of a domain what AWS recommends, of Serverless failed requests and its full size.

https://docs.aws.amazon.com/opensearch-service/latest/developerguide/cloudwatch-alarms.html
https://docs.aws.amazon.com/opensearch-service/latest/developerguide/monitoring-cloudwatch.html
"""

from dataclasses import dataclass
from typing import Any

from infra.template.alarms import API_ERRORS, Resource, alarm, calculated, metric

ACCOUNT = {"ClientId": {"Ref": "AWS::AccountId"}}
DOMAIN = {"DomainName": {"Ref": "OpenSearchDomain"}, **ACCOUNT}
FREE_PERCENT = 25  # of an instance's disk
FULL_SIZE_MINUTES = 15


@dataclass(frozen=True, slots=True)
class DomainAlarm:
    """An alarm of a domain's metric that reaches ``threshold`` in so many ``periods`` of ``seconds``."""

    name: str
    description: str
    metric: str
    threshold: int = 1
    seconds: int = 60
    periods: int = 1
    statistic: str = "Maximum"


DOMAIN_ALARMS = (
    DomainAlarm(
        "Red",
        "The domain cannot serve some vectors. If this lasts, `infra.admin reindex` writes them again from the "
        "catalogue.",
        "ClusterStatus.red",
    ),
    DomainAlarm("Yellow", "Some vectors of the domain have no second copy.", "ClusterStatus.yellow", periods=15),
    DomainAlarm(
        "Blocked",
        "The domain refuses writes, as it does when a disk is full; indexing waits. Give it larger volumes.",
        "ClusterIndexWritesBlocked",
        seconds=300,
    ),
    DomainAlarm(
        "JVM", "The domain's Java memory is nearly used up; requests are slow or refused.", "JVMMemoryPressure", 95,
        periods=3,
    ),
    DomainAlarm(
        "CPU", "The domain's processors are busy for a quarter of an hour.", "CPUUtilization", 80, seconds=300,
        periods=3,
    ),
    DomainAlarm(
        "VectorMemory",
        "Vectors use most of the memory that the domain has for them; beyond it, writes are refused.",
        "KNNGraphMemoryUsagePercentage",
        80,
        seconds=300,
        periods=3,
    ),
    DomainAlarm("VectorsRefused", "The domain refuses vectors for want of memory.", "KNNCircuitBreakerTriggered"),
    DomainAlarm(
        "Errors",
        f"The domain answers {API_ERRORS} and more requests within five minutes with a status of 500 or above.",
        "5xx",
        API_ERRORS,
        seconds=300,
        statistic="Sum",
    ),
)  # fmt: skip


def of_domain() -> Resource:
    """The alarms of ``DOMAIN_ALARMS``, and one of the disks, whose size is a parameter."""
    resources = calculated(
        "OpenSearchStorageAlarm",
        f"An instance of the domain has less than {FREE_PERCENT} % of its disk left.",
        "100 * free / (${OpenSearchVolumeSize} * 1024)",  # AWS measures in MiB
        {"free": metric("AWS/ES", "FreeStorageSpace", "Minimum", DOMAIN, 60)},
        "HasDomain",
        ComparisonOperator="LessThanThreshold",
        Threshold=FREE_PERCENT,
        EvaluationPeriods=5,
    )
    for row in DOMAIN_ALARMS:
        resources |= alarm(
            f"OpenSearch{row.name}Alarm",
            row.description,
            metric("AWS/ES", row.metric, row.statistic, DOMAIN, row.seconds),
            "HasDomain",
            ComparisonOperator="GreaterThanOrEqualToThreshold",
            Threshold=row.threshold,
            EvaluationPeriods=row.periods,
        )
    return resources


def of_serverless() -> Resource:
    """Requests that fail, and compute units of which no more are allowed."""
    name = serverless_name()
    collection = {**ACCOUNT, "CollectionId": {"Ref": "ServerlessCollection"}, "CollectionName": name}
    group = {**ACCOUNT, "CollectionGroupId": {"Fn::GetAtt": ["ServerlessGroup", "Id"]}, "CollectionGroupName": name}
    resources: Resource = {}
    for part, description, watched in (
        ("Search", "OpenSearch Serverless does not answer searches.", "SearchRequestErrors"),
        ("Write", "OpenSearch Serverless does not take vectors.", "IngestionRequestErrors"),
    ):
        resources |= alarm(
            f"Serverless{part}ErrorsAlarm",
            description,
            metric("AWS/AOSS", watched, "Sum", collection),
            "HasServerless",
            ComparisonOperator="GreaterThanOrEqualToThreshold",
            Threshold=API_ERRORS,
        )
    for part, description, watched in (
        ("Search", "Searches use all compute units that ServerlessMaximum allows.", "SearchOCU"),
        ("Index", "Indexing uses all compute units that ServerlessMaximum allows.", "IndexingOCU"),
    ):
        resources |= alarm(
            f"Serverless{part}CapacityAlarm",
            description,
            metric("AWS/AOSS", watched, "Sum", group, 60),
            "HasServerless",
            ComparisonOperator="GreaterThanOrEqualToThreshold",
            Threshold={"Ref": "ServerlessMaximum"},
            EvaluationPeriods=FULL_SIZE_MINUTES,
        )
    return resources


def serverless_name() -> dict[str, Any]:
    """The name that vector_store.yaml gives the collection and its group."""
    stack = {"Fn::Select": [2, {"Fn::Split": ["/", {"Ref": "AWS::StackId"}]}]}
    return {"Fn::Sub": ["similarix-${Part}", {"Part": {"Fn::Select": [0, {"Fn::Split": ["-", stack]}]}}]}
