"""The functions of the application, a row each: ``infra.template.functions`` makes their resources from these.

A new worker is a row here, its permissions in ``infra/template/permissions.yaml``, a queue in
``chalicelib.domain.messages.Queue`` and a handler in app.py.
"""

from dataclasses import dataclass

from chalicelib.domain.messages import Queue

RUNTIME = "python3.13"  # of every function, whichever Python packages it; the embedder's image has the same
ALIAS = "live"  # of the functions that are called by a published version
# Lambda's processors. A second of arm64 costs a fifth less: https://aws.amazon.com/lambda/pricing/. The application is
# Python, and what its packages have of compiled code has wheels for both. The embedder's decoder is confined by system
# calls of x86-64 (docs/decisions/0119-arm64-for-the-application.md).
ARM64, X86_64 = "arm64", "x86_64"
# Deliveries of a message until it goes to the dead-letter queue. A failed message is delivered again after a delay that
# grows (``chalicelib.services.pipeline.retries``), so the eight take something over an hour.
MAX_DELIVERIES = 8
# The longest that SQS keeps a message; its default is four days. In a dead-letter queue, too, the days count from when
# the message was first sent: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html
RETENTION_DAYS = 14
# A message stays hidden for so many times the time that its function may run, so that a batch that waits for a free
# function is not delivered twice: https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
VISIBILITY_FACTOR = 6
BACKLOG_SECONDS = 1800  # age of the oldest message at which an alarm goes off, unless the row says otherwise


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A Lambda function.

    Args:
        name: of its resource; those of Chalice's functions are made of the function's name in app.py.
        lambda_name: its name on Lambda, after the stack's.
        memory: in MB, or the name of the parameter that has it.
        timeout: seconds that it may run.
        alarm: what has happened when it raises an error.
        architecture: of its processor.
    """

    name: str
    lambda_name: str
    memory: int | str
    timeout: int
    alarm: str
    architecture: str = ARM64


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """A function that receives from a queue, and the queue.

    Args:
        messages: the plural of what the queue contains, for the alarms.
        batch_size: messages that an invocation receives at most; the decorator in app.py has the same.
        max_concurrency: invocations at once, 2 at least. All of them together leave room for the API's within what an
            AWS account may run at once, and no queue takes the room of another. It is no parameter of the template,
            because the emulator would read a parameter's value as a string.
        backlog_seconds: age of the oldest message at which an alarm goes off.
        backlog_advice: a sentence for that alarm.
        feeds_itself: it continues long work by a message to its own queue. Lambda stops such a chain after about 16
            invocations, unless the function allows it:
            https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html. The guard of our own is
            ``chalicelib.domain.messages.MAX_CONTINUATIONS``.
        paces_writes: each of its invocations gives a collection ``CollectionWriteUnits`` a second at most, because all
            together could write more than a partition takes.
    """

    queue: Queue
    messages: str
    timeout: int
    batch_size: int
    max_concurrency: int
    memory: int | str = "WorkerMemory"
    backlog_seconds: int = BACKLOG_SECONDS
    backlog_advice: str = ""
    feeds_itself: bool = False
    paces_writes: bool = False

    @property
    def function(self) -> Function:
        return Function(
            name=f"{self.queue.capitalize()}Worker",
            lambda_name=f"{self.queue}-worker",
            memory=self.memory,
            timeout=self.timeout,
            alarm=f"The {self.queue} worker fails.",
        )

    @property
    def queue_resource(self) -> str:
        """The queue's name in the template; ``…Url`` is the output that has its URL."""
        return f"{self.queue.capitalize()}Queue"

    @property
    def dead_letters_resource(self) -> str:
        """The dead-letter queue's name in the template; ``…Url`` is the output that has its URL."""
        return f"{self.queue.capitalize()}DeadLetters"

    @property
    def visibility_timeout(self) -> int:
        return VISIBILITY_FACTOR * self.timeout


API = Function(
    name="APIHandler",
    lambda_name="api",
    memory="ApiMemory",
    timeout=29,  # as long as API Gateway waits
    alarm="The function behind the API fails.",
)
EMBEDDER = Function(
    name="Embedder",
    lambda_name="embedder",
    memory="EmbedderMemory",
    timeout=120,
    alarm="The embedder fails.",
    architecture=X86_64,
)
WORKERS = (
    Worker(queue=Queue.SYNC, messages="Syncs", timeout=120, batch_size=1, max_concurrency=8, feeds_itself=True),
    Worker(queue=Queue.EVENTS, messages="S3 events", timeout=60, batch_size=10, max_concurrency=5, memory=256),
    Worker(
        queue=Queue.INDEX,
        messages="Batches of syncs",
        timeout=180,
        batch_size=1,  # the embedder may take most of that time for one
        max_concurrency=8,  # and as many embedders, which index workers call
        backlog_seconds=7200,
        backlog_advice="A higher max_concurrency of the index worker (infra/workers.py) may help.",
        paces_writes=True,
    ),
    # The same work for what somebody waits for, which no sync delays. Messages of one collection are handled together.
    # Ten is the most that Lambda gives without waiting for more:
    # https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-parameters.html
    Worker(
        queue=Queue.CHANGES,
        messages="Changed objects",
        timeout=180,
        batch_size=10,
        max_concurrency=8,
        feeds_itself=True,  # it sends messages again for which there was no time left
    ),
    Worker(queue=Queue.UPLOADS, messages="Uploads", timeout=180, batch_size=1, max_concurrency=8, feeds_itself=True),
    Worker(
        queue=Queue.DELETIONS,
        messages="Deletions",
        timeout=120,
        batch_size=1,
        max_concurrency=5,
        backlog_seconds=3600,
        feeds_itself=True,
    ),
    # A record takes three requests, so four workers purge some 150 a second, 13 million a day. More would take most of
    # the write units of a partition of the catalogue.
    Worker(
        queue=Queue.PURGES,
        messages="Purges",
        timeout=120,
        batch_size=1,
        max_concurrency=4,
        backlog_seconds=86_400,  # of a backlog that takes longer than a day
        feeds_itself=True,
    ),
    # Each scan is a chain of one message. Few at once, because each asks the vector store without a pause.
    Worker(
        queue=Queue.DUPLICATES,
        messages="Scans for duplicates",
        timeout=120,
        batch_size=1,
        max_concurrency=2,
        backlog_seconds=7200,
        feeds_itself=True,
    ),
    # It waits for receivers, 15 s at most for each. While those of one account stall, SQS prefers messages of others.
    Worker(
        queue=Queue.WEBHOOKS,
        messages="Webhooks",
        timeout=60,
        batch_size=1,
        max_concurrency=8,
        memory=256,
        feeds_itself=True,
    ),
)
# A schedule starts the syncs of a quarter of an hour, a tenth of a second each, in one invocation.
SCHEDULED = (
    Function(
        name="DailySync",
        lambda_name="daily-sync",
        memory=256,
        timeout=600,
        alarm="The daily syncs were not started.",
    ),
    Function(
        name="WeeklySync",
        lambda_name="weekly-sync",
        memory=256,
        timeout=600,
        alarm="The weekly syncs were not started.",
    ),
    Function(
        name="MonthlySync",
        lambda_name="monthly-sync",
        memory=256,
        timeout=600,
        alarm="The monthly syncs were not started.",
    ),
    Function(
        name="Purge",
        lambda_name="purge",
        memory=256,
        timeout=60,
        alarm="The purge of files that were removed longer ago than TombstoneDays was not started.",
    ),
    # It computes as long as there is something due: a whole processor, which Lambda gives for so much memory.
    # https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html
    Function(
        name="Calibration",
        lambda_name="calibration",
        memory=1769,
        timeout=600,
        alarm="Accounts whose pictures have changed in number were not calibrated.",
    ),
)
