"""First names in the United States census of 1990; NAMES.md says where they come from."""


def load_names() -> list[str]:
    """The 5,163 first names, in lower case and in the order of the alphabet.

    Examples:
        >>> names = sg.datasets.load_names()
        >>> len(names), names[:3]
        (5163, ['aaron', 'abbey', 'abbie'])
    """
    from importlib import resources  # here, since it would lengthen `import simplegrad`

    return resources.files(__package__).joinpath("names.txt").read_text(encoding="ascii").split()
