"""What the tests share."""

import pytest
from hypothesis import HealthCheck, given, settings

from tests.helpers.browsers import browser, chromium, firefox, playwright

__all__ = ["browser", "chromium", "firefox", "for_all", "playwright"]

# `pytest -m slow` runs 500 examples `for_all`, the same every time. For more, and new ones:
# pytest -m slow --hypothesis-profile=thorough tests/test_random_graphs.py
untimed = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("fixed", max_examples=500, derandomize=True, **untimed)
settings.register_profile("thorough", max_examples=10_000, derandomize=False, **untimed)
settings.load_profile("fixed")


@pytest.fixture(params=["a twentieth", pytest.param("all", marks=pytest.mark.slow)])
def for_all(request):
    """Decorates a property: checks it at once, for all examples of the profile or a twentieth."""
    examples = settings.default.max_examples
    if request.param == "a twentieth":
        examples = max(1, examples // 20)

    def decorator(*strategies):
        def check(prop):
            settings(max_examples=examples)(given(*strategies)(prop))()

        return check

    return decorator
