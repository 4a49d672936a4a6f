"""The CloudFormation template: what Chalice cannot express, in files by concern.

- ``parameters.yaml``: what a deployment may choose
- ``storage.yaml``: tables and buckets
- ``events.yaml``: who may send to the queues
- ``vector_store.yaml``: OpenSearch, as a domain or Serverless
- ``embedder.yaml``: the container
- ``api.yaml``: API Gateway
- ``sign_in.yaml``: the user pool of the dashboard
- ``environment.yaml``: the functions' variables
- ``permissions.yaml``: the functions' roles

``assembly`` merges these files and what ``functions`` makes of the rows in ``infra.workers``. ``infra.package`` has
Chalice merge the result over the template that it makes of app.py: maps are merged, any other value replaces Chalice's.
``edits`` adapts a packaged template to where it is deployed.
"""

from infra.template.assembly import read_template

__all__ = ["read_template"]
