"""Extension of Griffe, which reads the API: names that it cannot see, and one that nobody needs."""

import griffe


class ApiNames(griffe.Extension):
    """`simplegrad.exp` is the method `Tensor.exp`, and `Tensor.backward` is that of autograd."""

    def on_package(self, *, pkg: griffe.Module, **kwargs: object) -> None:
        """Makes an alias of each such name."""
        tensor = pkg["tensor.Tensor"]
        made = {}
        for name, member in pkg["functional.arrays"].members.items():
            if isinstance(member, griffe.Attribute) and str(member.value) == f"Tensor.{name}":
                made[name] = tensor[name]
        tensor.members["backward"] = griffe.Alias(
            "backward", pkg["autograd.backward"], parent=tensor
        )
        for name, target in made.items():
            pkg.members[name] = griffe.Alias(name, target, parent=pkg)

    def on_function(self, *, func: griffe.Function, **kwargs: object) -> None:
        """Leaves out `**wrong`, which takes the keywords that a call refuses."""
        if "wrong" in func.parameters:
            del func.parameters["wrong"]
