"""What ``infra.deploy`` looks at before it changes a stack on AWS, and in which steps it changes it.

- ``preconditions``: region, names, parameters, certificate, alarms
- ``image``: the embedder's image, by its digest
- ``changes``: what a change set would replace or remove
- ``indexes``: new indexes of tables, one after the other
- ``adoption``: tables and buckets that exist and become the stack's
"""
