"""Lock the parts of a node: ``python -m infra.opensearch.lock`` writes ``lock.json`` beside this file.

OpenSearch publishes its parts, not its archive: the folders' contents follow from the parts' own descriptions.
"""

from pathlib import Path

from infra.maven import Locked, lock, to_json
from infra.opensearch.distribution import LOCK, MODULES, VERSION

CORE = f"org.opensearch:opensearch:{VERSION}"
# The main class needs these, and its description omits them. Each is locked without its dependencies: together they
# would change versions of the others.
UNLISTED = (
    f"org.opensearch:opensearch-plugin-classloader:{VERSION}",
    f"org.opensearch:opensearch-agent-bootstrap:{VERSION}",
    "org.apache.logging.log4j:log4j-core:2.25.3",
)
PARTS = {
    "lang-painless": ("lang-painless", "opensearch-scripting-painless-spi"),
    "reindex": ("reindex-client",),
    "transport-grpc": ("transport-grpc", "transport-grpc-spi"),
    "transport-netty4": ("transport-netty4-client",),
}
KNN = f"org.opensearch.plugin:opensearch-knn:{VERSION}.0:zip"


def write(path: Path = LOCK) -> None:
    core = lock([CORE]) + lock(UNLISTED, transitive=False)
    locks = {"lib": core}
    shared = {_name(artifact) for artifact in core}
    for module in MODULES:
        resolved = lock([f"org.opensearch.plugin:{part}:{VERSION}" for part in PARTS[module]])
        # OpenSearch refuses a class that is on both paths; drivers of other systems are useless.
        excluded = shared | {name for name in map(_name, resolved) if "codec-native" in name}
        locks[f"modules/{module}"] = [artifact for artifact in resolved if _name(artifact) not in excluded]
    locks["plugins/opensearch-knn"] = lock([KNN], transitive=False)
    path.write_text(to_json(locks))


def _name(locked: Locked) -> str:
    return locked.parts[1]


if __name__ == "__main__":
    write()
