"""ECR in memory, as ``infra.stack.image`` reads it."""

import json
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.modelled import ModelledClient, refusal

ACCOUNT = "111122223333"
URL = "https://layers.example/"
OCI = "application/vnd.oci.image.manifest.v1+json"
OCI_LIST = "application/vnd.oci.image.index.v1+json"


@dataclass
class FakeImages:
    """Images by repository and tag: the digest, the manifest, and the configuration that it names."""

    images: dict[tuple[str, str], tuple[str, dict[str, Any], dict[str, Any]]] = field(default_factory=dict)

    @property
    def client(self) -> Any:
        return ModelledClient("ecr", self)

    def push(self, repository: str, tag: str, number: int = 1, architecture: str = "amd64", model: str = "lite") -> str:
        """Push an image; returns its digest."""
        digest, config = f"sha256:{number:064x}", f"sha256:{number + 1000:064x}"
        manifest = {"schemaVersion": 2, "mediaType": OCI, "config": {"digest": config}}
        settings = {"architecture": architecture, "os": "linux", "config": {"Env": ["PATH=/bin", f"MODEL={model}"]}}
        self.images[repository, tag] = (digest, manifest, settings)
        return digest

    def push_list(self, repository: str, tag: str) -> None:
        """Push what docker makes with attestations: a list of images."""
        self.images[repository, tag] = (f"sha256:{7:064x}", {"mediaType": OCI_LIST, "manifests": []}, {})

    def batch_get_image(self, **arguments: Any) -> dict[str, Any]:
        repository = arguments["repositoryName"]
        if repository not in {name for name, _ in self.images}:
            raise refusal("RepositoryNotFoundException", "", "BatchGetImage")
        (wanted,) = arguments["imageIds"]
        for (name, tag), (digest, manifest, _) in self.images.items():
            if name == repository and wanted in ({"imageTag": tag}, {"imageDigest": digest}):
                identifier = {"imageDigest": digest, "imageTag": tag}
                return {"images": [{"imageId": identifier, "imageManifest": json.dumps(manifest)}], "failures": []}
        return {"images": [], "failures": [{"imageId": wanted, "failureCode": "ImageNotFound"}]}

    def get_download_url_for_layer(self, **arguments: Any) -> dict[str, Any]:
        return {"downloadUrl": f"{URL}{arguments['layerDigest']}", "layerDigest": arguments["layerDigest"]}

    def fetch(self, url: str) -> bytes:
        digest = url.removeprefix(URL)
        (settings,) = [s for _, m, s in self.images.values() if m.get("config", {}).get("digest") == digest]
        return json.dumps(settings).encode()
