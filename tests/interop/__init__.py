"""Ours beside the originals."""

import pytest

pytest.register_assert_rewrite("tests.interop.oracle")
