"""The site, for the tests of this folder."""

from tests.helpers.site import address, build, site, trouble, visit
from tests.helpers.touch import finger

__all__ = ["address", "build", "finger", "site", "trouble", "visit"]
