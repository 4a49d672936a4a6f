"""Whether a deployed system works: a walk through it as a customer goes, which leaves nothing behind.

- ``walk``: the steps
- ``customer``: what a customer does on AWS: a bucket's folder, a role, events
- ``dashboard``: what a user does in the dashboard
- ``__main__``: the command
"""
