"""``migrate``: changes to another model without a gap, in two steps around the deployment of the embedder."""

import argparse
from typing import Any

from chalicelib.config import SQLiteConfig
from infra.admin.command import ExitStatus, add_writer_timeout, report
from infra.admin.deployment import Deployment
from infra.admin.new_model import NewModel

NEXT_STEPS = """
Searches for {model} find everything from now on. Deploy the embedder with this model, then at once:
  python -m infra.admin … migrate --finish
Until then searches use the old model. Run this command again to embed pictures that change meanwhile.
"""


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "migrate", help="embed everything with another model, beside the one that is searched; then switch to it"
    )
    step = parser.add_mutually_exclusive_group(required=True)
    step.add_argument("--model", help="the new model, fetched before (embedder_container.fetch), or its folder")
    step.add_argument(
        "--finish",
        action="store_true",
        help="after the embedder was deployed with the new model: import its vectors into the catalogue",
    )
    parser.add_argument("--full-decode", action="store_true", help="the model decodes large JPEGs at full size")
    add_writer_timeout(parser)
    parser.set_defaults(run=migrate)


def migrate(deployment: Deployment, options: argparse.Namespace) -> ExitStatus:
    services = deployment.services
    if isinstance(services.config.vector_store, SQLiteConfig):
        raise ValueError(
            "The SQLite store keeps one vector for each picture. Deploy the new model and sync instead; until the sync "
            "has ended, searches find only what it has embedded anew."
        )
    if options.finish:
        vectors = services.model_switch.import_vectors(services.model_version())
        report(f"{vectors.imported:,} vectors imported; {vectors.left:,} left for the next sync to embed.")
        report("The old model's index is not searched any more. `infra.admin reindex --drop-old` deletes it.")
        return ExitStatus.OK
    # The port directly: the model runs in this process, and reads the pictures as a worker would.
    model = NewModel(options.model, services.adapters.sources, report, full_decode=options.full_decode)
    services.rebuild(report, options.writer_timeout, model.embed).rebuild(model.version, model.dimension)
    report(NEXT_STEPS.format(model=model.version))
    return ExitStatus.OK
