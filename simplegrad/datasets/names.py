"""First names in the United States census of 1990; NAMES.md says where they come from."""

import os


def load_names() -> list[str]:
    """The 5,163 first names, in lower case and in the order of the alphabet.

    Examples:
        >>> names = sg.datasets.load_names()
        >>> len(names), names[:3]
        (5163, ['aaron', 'abbey', 'abbie'])
    """
    with open(os.path.join(os.path.dirname(__file__), "names.txt"), encoding="ascii") as file:
        return file.read().split()
