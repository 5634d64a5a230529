"""The house: imports run one way, no files form a circle, and the core stays short.

`python tests/test_house.py` prints how many lines each room has.
"""

import ast
import functools
import io
import sys
import tokenize
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "simplegrad"

# The rooms, from the ground floor up: a file may import what stands in its own room or below it.
# Those of one floor do not know each other. "" is simplegrad/__init__.py, the public face.
FLOORS = [
    *(["other_names"], ["given"], ["habits", "mistakes", "trained"], ["modes"], ["rules"]),
    *(["autograd and tensor"],),
    *(["creation"], ["functional"], ["nn"], ["optimizers"], ["datasets"]),
    *(["partials"], ["derivatives"]),
    *(["tools"], [""], ["exercises", "fast", "parallel"], ["__main__"]),
]
TOGETHER = {"autograd": "autograd and tensor", "tensor": "autograd and tensor"}
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}

# What the number of lines may be: of code, of tensor.py, and of the whole package
CORE, CORE_CODE = ("rules", "autograd and tensor"), 900
TENSOR_LINES = 720
ALL_LINES = 22_960


# Imports


class Import(NamedTuple):
    """One module that a line of a file imports, as the path of its file or, of others, its name."""

    file: str
    line: int
    module: str


@functools.cache
def imports_of(package):
    """All imports of a package's files, also those in functions and under TYPE_CHECKING."""
    found = []
    for path in sorted(package.rglob("*.py")):
        file = path.relative_to(package.parent).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                folder = path.relative_to(package.parent).parts[: -node.level]
                base = ".".join([*(folder if node.level else ()), *filter(None, [node.module])])
                names = [f"{base}.{alias.name}" for alias in node.names]
            found += [Import(file, node.lineno, module_of(name, package)) for name in names]
    return found


def module_of(name, package):
    """The file that an imported name is or comes from; of another package, the name of that."""
    parts = name.split(".")
    if parts[0] != package.name:
        return parts[0]
    for end in range(len(parts), 0, -1):
        place = package.parent.joinpath(*parts[:end])
        for file in (place.with_suffix(".py"), place / "__init__.py"):
            if file.is_file():
                return file.relative_to(package.parent).as_posix()
    raise AssertionError(f"there is no file of {name}")


def room_of(file):
    """The room of a file: the folder or the file in the package; of __init__.py it is ""."""
    room = file.split("/")[1].removesuffix(".py")
    return TOGETHER.get(room, "" if room == "__init__" else room)


def wrong_imports(imports):
    """A sentence for each import that runs up, or from the rules to more than NumPy."""
    wrong = []
    for file, line, module in imports:
        room, used = room_of(file), room_of(module) if "/" in module else None
        says = f"{file}:{line} imports {module}"
        if room == "rules" and used != room and module not in {"numpy", *sys.stdlib_module_names}:
            wrong.append(f"{says}, and rules know only NumPy")
        elif used not in (None, room) and FLOOR[used] >= FLOOR[room]:
            where = "above" if FLOOR[used] > FLOOR[room] else "beside"
            wrong.append(f"{says}, which stands {where} it")
    return wrong


def circles(imports):
    """The sets of files that know each other, by way of others or not."""
    uses = {}
    for file, _, module in imports:
        uses.setdefault(file, set()).add(module)

    def known_to(file):
        known, waiting = set(), [file]
        while waiting:
            new = uses.get(waiting.pop(), set()) - known
            known |= new
            waiting += new
        return known

    known = {file: known_to(file) for file in uses}
    rings = [frozenset(x for x in known[file] if file in known.get(x, ())) for file in uses]
    return {ring for ring in rings if len(ring) > 1}


def test_every_file_has_its_room():
    files = [path.relative_to(ROOT).as_posix() for path in PACKAGE.rglob("*.py")]
    without = [file for file in files if room_of(file) not in FLOOR]
    assert not without, f"{', '.join(without)}: say in FLOORS where this stands"


def test_no_import_runs_up():
    wrong = wrong_imports(imports_of(PACKAGE))
    assert not wrong, "\n".join(wrong)


def test_no_files_form_a_circle():
    together = frozenset({"simplegrad/autograd.py", "simplegrad/tensor.py"})  # which they are
    wrong = [" and ".join(sorted(ring)) for ring in circles(imports_of(PACKAGE)) - {together}]
    assert not wrong, f"these import each other, by way of others or not: {wrong}"


def test_a_wrong_import_and_a_circle_are_found_wherever_they_stand(tmp_path):
    package = tmp_path / "simplegrad"
    for file, text in {
        "__init__.py": "from simplegrad.tools.one import x",
        "given.py": "import numpy.typing\nfrom simplegrad import rules",
        "rules/__init__.py": "import math\nimport scipy.special\nfrom simplegrad import given",
        "tensor.py": "def f():\n    from simplegrad.tools import one",
        "nn/__init__.py": "from simplegrad import tensor, nothing",
        "tools/__init__.py": "",
        "tools/one.py": "x = 1\nif TYPE_CHECKING:\n    from simplegrad.tools.two import y",
        "tools/two.py": "from . import three\ny = 1",
        "tools/three.py": "def f():\n    import simplegrad.tools.one",
        "fast/__init__.py": "import simplegrad as sg\nfrom simplegrad.exercises import check",
        "exercises/__init__.py": "from simplegrad import tensor",
    }.items():
        (package / file).parent.mkdir(parents=True, exist_ok=True)
        (package / file).write_text(text)
    imports = imports_of(package)
    assert wrong_imports(imports) == [
        "simplegrad/fast/__init__.py:2 imports simplegrad/exercises/__init__.py, "
        "which stands beside it",
        "simplegrad/given.py:2 imports simplegrad/rules/__init__.py, which stands above it",
        "simplegrad/nn/__init__.py:1 imports simplegrad/__init__.py, which stands above it",
        "simplegrad/rules/__init__.py:2 imports scipy, and rules know only NumPy",
        "simplegrad/rules/__init__.py:3 imports simplegrad/given.py, and rules know only NumPy",
        "simplegrad/tensor.py:2 imports simplegrad/tools/one.py, which stands above it",
    ]
    tools = {f"simplegrad/tools/{name}.py" for name in ("one", "two", "three")}
    ground = {"simplegrad/given.py", "simplegrad/rules/__init__.py"}
    assert tools in circles(imports)
    assert ground in circles(imports)


# Lines


class Count(NamedTuple):
    """The lines of a room: all, and those of code."""

    lines: int
    code: int

    def __add__(self, other):
        return Count(self.lines + other.lines, self.code + other.code)


def count_of(text):
    """Lines in all, and those that hold more than a comment, a docstring or nothing."""
    layout = {"COMMENT", "NL", "NEWLINE", "INDENT", "DEDENT", "ENDMARKER"}
    code = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if tokenize.tok_name[token.type] not in layout:
            code |= set(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Expr(value=ast.Constant(value=str())):  # also that below a constant
                code -= set(range(node.lineno, node.end_lineno + 1))
    return Count(len(text.splitlines()), len(code))


@functools.cache
def counts():
    """For each room, from the ground floor up."""
    table = {room: Count(0, 0) for rooms in FLOORS for room in rooms}
    for path in sorted(PACKAGE.rglob("*.py")):
        room = room_of(path.relative_to(ROOT).as_posix())
        table[room] += count_of(path.read_text(encoding="utf-8"))
    return table


def table():
    """The lines of all rooms as text."""
    rows = {room or "__init__": count for room, count in counts().items() if count.lines}
    core, total = Count(0, 0), Count(0, 0)
    for room, count in rows.items():
        total += count
        core += count if room in CORE else Count(0, 0)
    rows |= {"the core": core, "in all": total}
    head = [f"{'room':20}  lines   code", "-" * 34]
    return "\n".join([*head, *(f"{room:20} {n:6,} {code:6,}" for room, (n, code) in rows.items())])


def test_lines_of_code_are_counted_without_docstrings_comments_and_blanks():
    text = '"""Says.\n\nMore.\n"""\n\nX = 1  # one\n"""One."""\n# why\ny = """a\nb"""\n'
    assert count_of(text) == (10, 3)


def test_the_core_is_short():
    print(table())
    code = sum(counts()[room].code for room in CORE)
    assert code <= CORE_CODE, (
        f"{' and '.join(CORE)} have {code} lines of code, and {CORE_CODE} are the most. What "
        "serves the reader belongs in tools/, and what is given is checked in given.py."
    )


def test_tensor_is_one_page():
    lines = count_of((PACKAGE / "tensor.py").read_text(encoding="utf-8")).lines
    assert lines <= TENSOR_LINES, f"tensor.py has {lines} lines, and {TENSOR_LINES} are the most"


def test_the_package_is_small():
    lines = sum(count.lines for count in counts().values())
    assert lines <= ALL_LINES, f"simplegrad/ has {lines:,} lines, and {ALL_LINES:,} are the most"


if __name__ == "__main__":
    print(table())
