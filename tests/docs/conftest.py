"""The site, for the tests of this folder."""

from tests.helpers.site import address, build, site, trouble, visit

__all__ = ["address", "build", "site", "trouble", "visit"]
