"""Tests of the deployed template over HTTP."""

import pytest

# Its assertions show their values when they fail, as those of a test module do.
pytest.register_assert_rewrite("tests.e2e.harness")
