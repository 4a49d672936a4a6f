"""``migrate``: to another model without a gap, in two steps around the embedder's own deployment."""

import argparse
from typing import Any

from chalicelib.config import SQLiteConfig
from chalicelib.services.maintenance.rebuild import WRITER_TIMEOUT_SECONDS
from infra.admin.deployment import Deployment
from infra.admin.new_model import NewModel
from infra.admin.reindex import say

NEXT = """
Searches for {stamp} find everything from now on. Deploy the embedder with this model, then at once:
  python -m infra.admin … migrate --finish
Until then nothing changes for anybody; pictures that change meanwhile are embedded by a second run of this command.
"""


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "migrate", help="embed everything by another model, beside the one that answers; then take it over"
    )
    step = parser.add_mutually_exclusive_group(required=True)
    step.add_argument("--model", help="the new model, fetched before (embedder_container.fetch), or its folder")
    step.add_argument(
        "--finish", action="store_true", help="the embedder has the new model: the catalogue takes its vectors over"
    )
    parser.add_argument("--exact", action="store_true", help="the model decodes large JPEGs at full size")
    parser.add_argument(
        "--settle",
        type=float,
        default=WRITER_TIMEOUT_SECONDS,
        metavar="SECONDS",
        help="after which no worker is left that began before this did (default: %(default)s)",
    )
    parser.set_defaults(run=migrate)


def migrate(deployment: Deployment, options: argparse.Namespace) -> None:
    services = deployment.services
    if isinstance(services.config.vector_store, SQLiteConfig):
        raise ValueError(
            "The SQLite store has one vector a picture: deploy the new model and sync; until that has ended, "
            "searches find what has been embedded anew."
        )
    if options.finish:
        adopted = services.model_switch.import_vectors(services.model_version())
        say(f"{adopted.taken:,} records taken over; {adopted.left:,} left for the next sync to embed.")
        say("The old model's index is not searched any more. `infra.admin reindex --drop-old` deletes it.")
        return
    new = NewModel(options.model, services.adapters.sources, say, exact=options.exact)
    services.rebuild(say, options.settle, new.embed).rebuild(new.stamp, new.dimension)
    say(NEXT.format(stamp=new.stamp))
