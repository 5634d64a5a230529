"""What the tests share."""

from chromium import browser

__all__ = ["browser"]
