"""Extension of Griffe, which reads the API: names that come about in ways it cannot see."""

import griffe


class ApiNames(griffe.Extension):
    """`simplegrad.exp` is the method `Tensor.exp`."""

    def on_package(self, *, pkg: griffe.Module, **kwargs: object) -> None:
        """Makes an alias of each such name."""
        methods = pkg["tensor.Tensor"].members
        made = {}
        for name, member in pkg["functional"].members.items():
            if isinstance(member, griffe.Attribute) and str(member.value) == f"Tensor.{name}":
                made[name] = methods[name]
        for name, target in made.items():
            pkg.members[name] = griffe.Alias(name, target, parent=pkg)
