"""The local system under load: ``make bench SUITE=load``."""
