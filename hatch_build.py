"""The addresses in the metadata: only a build that knows its repository has them."""

import os

from hatchling.metadata.plugin.interface import MetadataHookInterface


class Addresses(MetadataHookInterface):
    """`[project.urls]`, from what GitHub sets; none where that is missing."""

    def update(self, metadata: dict) -> None:
        """Puts them into the metadata of the project."""
        metadata["urls"] = {}
        if repository := os.environ.get("GITHUB_REPOSITORY"):  # "owner/name"
            address = f"{os.environ.get('GITHUB_SERVER_URL', 'https://github.com')}/{repository}"
            metadata["urls"] = {
                "Source": address,
                "Changelog": f"{address}/blob/main/CHANGELOG.md",
                "Issues": f"{address}/issues",
            }
