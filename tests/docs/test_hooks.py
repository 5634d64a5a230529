"""What builds the site: mathematics, pages from scripts, equations from the source."""

import ast
import hashlib
import html
import inspect
import io
import json
import re
import runpy
import shutil
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import simplegrad as sg
from simplegrad import autograd, fast, nn, optimizers, parallel, rules
from simplegrad.tools import gradcheck
from simplegrad.tools.equations import equations_in

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "docs" / "hooks"))  # before the build that makes wheels

for package in "mkdocs", "jupytext", "nbclient", "pybtex":
    pytest.importorskip(package, reason=f'{package} is missing: pip install -e ".[docs]"')

import build  # noqa: E402, these are beside what builds the site
import chapters  # noqa: E402
import elsewhere  # noqa: E402
import equation_page  # noqa: E402
import figures  # noqa: E402
import notebook_pages  # noqa: E402
import pair  # noqa: E402
import run_here  # noqa: E402
import typeset  # noqa: E402
from markdown import Markdown  # noqa: E402
from mkdocs.exceptions import PluginError  # noqa: E402

needs_katex = pytest.mark.skipif(
    not (ROOT / "node_modules" / "katex").is_dir() or shutil.which("node") is None,
    reason="KaTeX is missing: install Node.js and run npm ci",
)


# Mathematics


def html_of(markdown):
    extensions = ["pymdownx.superfences", "pymdownx.arithmatex", typeset.Mathematics()]
    options = {"pymdownx.arithmatex": {"generic": True}}
    return Markdown(extensions=extensions, extension_configs=options).convert(markdown)


@needs_katex
def test_a_formula_is_set_and_has_mathml():
    html = html_of(r"Here is $\hat m$.")
    assert 'class="katex"' in html
    assert "<math" in html
    assert "$" not in re.sub(r"<annotation.*?</annotation>", "", html)


@needs_katex
def test_a_formula_and_the_marks_after_it_are_kept_together():
    html = html_of("Of $a$ and ($b$), so $c$.")
    together = re.findall(r'<span class="marked">.*?</span>([^<\s]+)</span>', html)
    assert together == ["),", "."]


@needs_katex
def test_displays_on_consecutive_lines_are_set_one_by_one():
    assert html_of("$$c = a$$\n$$da = dc$$").count('class="formula"') == 2


@needs_katex
def test_formulas_in_code_are_left_alone():
    assert "$$c = a$$\n$$da = dc$$" in html_of("```\n$$c = a$$\n$$da = dc$$\n```")


@needs_katex
def test_an_unknown_macro_is_refused_with_its_file_and_line():
    tex = inspect.getdoc(optimizers.Adam).partition("$$")[2].partition("$$")[0]
    source = Path(inspect.getsourcefile(optimizers.Adam)).relative_to(ROOT)
    assert typeset.place_of(tex) in {
        f"{path.relative_to(ROOT)}:{number}"
        for path in (ROOT / "tutorials" / "adam.py", ROOT / source)
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if tex in line
    }
    with pytest.raises(typeset.FormulaError, match=r"Undefined control sequence: \\nonsense"):
        html_of(r"$\nonsense$")


# Pages from scripts


def script_with(tmp_path, monkeypatch, *cells):
    monkeypatch.setattr(notebook_pages, "ROOT", tmp_path)
    monkeypatch.setattr(notebook_pages, "CACHE", tmp_path / "cache")
    script = tmp_path / "page.py"
    script.write_text("# %% [markdown]\n# # A page\n\n" + "\n\n".join(cells) + "\n")
    return script


@pytest.mark.slow
def test_a_page_shows_cells_and_their_output_and_is_kept(tmp_path, monkeypatch):
    script = script_with(tmp_path, monkeypatch, "# %%\nprint(6 * 7, flush=True)\nprint(43)")
    page = notebook_pages.page_of(script)
    assert page.markdown == (
        '# A page\n\n<div class="cell" markdown>\n\n'
        "``` {.python .cell-in}\nprint(6 * 7, flush=True)\nprint(43)\n```\n\n"
        "``` {.text .cell-out}\n42\n43\n```\n\n</div>\n"
    )
    monkeypatch.setattr(notebook_pages, "run", lambda script: pytest.fail("it was run again"))
    assert notebook_pages.page_of(script) == page


@pytest.mark.slow
def test_a_picture_comes_in_light_and_dark_with_its_text(tmp_path, monkeypatch):
    draw = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.xlabel('x')\nplt.show()"
    script = script_with(tmp_path, monkeypatch, f'# %% alt="A line"\n{draw}')
    page = notebook_pages.page_of(script)
    assert page.markdown.count("![A line]") == 2
    assert len(re.findall(r' width="\d{3}" height="\d{3}" ', page.markdown)) == 2
    light, dark = (page.pictures[f"page_1_{scheme}.svg"].decode() for scheme in ("light", "dark"))
    assert "#1f2328" in light
    assert "#1f2328" not in dark
    assert "#dde1e6" in dark


@pytest.mark.slow
def test_a_table_has_each_error_of_a_page_with_its_heading_and_its_line(tmp_path, monkeypatch):
    script = script_with(
        tmp_path,
        monkeypatch,
        "# %% [markdown]\n# ## Of `a_b`",
        '# %% tags=["raises-exception"]\nx = 1\nraise ValueError("a|b *c*\\n_d_")',
        "# %% [markdown]\n# <!-- errors -->",
    )
    table = notebook_pages.page_of(script).markdown.partition("| mistake |")[2]
    (row,) = [line for line in table.splitlines() if "ValueError" in line]
    cells = Markdown(extensions=["tables"]).convert(f"| a | b | c |\n|---|---|---|\n{row}")
    assert '<td><a href="#of-a_b">Of <code>a_b</code></a></td>' in cells
    assert "<td>ValueError: a|b *c*<br>_d_</td>" in html.unescape(cells)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("# %%\nx = 1\nassert x == 2, 'not two'", r"page.py:5: this cell fails[\s\S]*not two"),
        ("# %%\nimport matplotlib.pyplot as plt\nplt.plot([1])\nplt.show()", r"page.py:5: a pic"),
        ("# %%\nimport warnings\nwarnings.warn('old')", r"page.py:5: this cell warns[\s\S]*old"),
        ('# %% tags=["raises-exception"]\nx = 1', "page.py:5: this cell is to show an error"),
    ],
    ids=["a cell that fails", "a picture without text", "a warning", "an error that does not come"],
)
def test_a_wrong_cell_stops_the_build_with_file_and_line(tmp_path, monkeypatch, cell, message):
    with pytest.raises(notebook_pages.PageError, match=message):
        notebook_pages.page_of(script_with(tmp_path, monkeypatch, cell))


@pytest.mark.parametrize("alt", ["", 'alt="" '], ids=["none", "empty"])
def test_a_picture_of_a_markdown_page_needs_its_text(alt):
    file = {"abs_src_path": str(ROOT / "docs" / "benchmarks.md"), "src_uri": "benchmarks.md"}
    page = SimpleNamespace(file=SimpleNamespace(**file), url="benchmarks/")
    image = '<img alt="Bars" src="../benchmarks/fast.png">'
    assert build.on_page_content(image, page, None, []) == image
    with pytest.raises(PluginError, match=r"^docs/benchmarks.md:\d+: a picture needs a text"):
        build.on_page_content(image.replace('alt="Bars" ', alt), page, None, [])


def test_an_exercise_is_not_run_its_check_is_marked_and_its_hints_are_folds(tmp_path):
    script = tmp_path / "exercise.py"
    script.write_text(
        "# %% [markdown]\n# # A title\n#\n# The task.\n\n"
        '# %%\n1 / 0\n\n# %% tags=["check"]\ncheck()\n\n# %% [markdown]\n'
        "# <details><summary>A hint: one</summary>\n#\n# $a$\n#\n# </details>\n#\n"
        "# <details><summary>A hint: two</summary>\n#\n# b\n#\n# c\n#\n# </details>\n"
    )
    title, here, rest = notebook_pages.exercise_page(script).markdown.split("\n\n", 2)
    assert (title, here) == ("# A title", notebook_pages.HERE)
    assert rest == (
        'The task.\n\n<div class="cell" markdown>\n\n'
        "``` {.python .cell-in}\n1 / 0\n```\n\n</div>\n\n"
        '<div class="cell check" markdown>\n\n``` {.python .cell-in}\ncheck()\n```\n\n</div>\n\n'
        '??? fold hint "A hint: one"\n\n    $a$\n\n??? fold hint "A hint: two"\n\n    b\n\n    c\n'
    )


def test_a_fence_is_longer_than_those_in_the_text():
    assert notebook_pages.fenced("```\n", "{.text}") == "```` {.text}\n```\n````"


def test_the_first_name_of_the_api_in_a_text_becomes_a_link():
    text = "# `sg.exp`\n\n`sg.exp` is `sg.exp`.\n\n```python\n`sg.log`\n```"
    linked = "[`sg.exp`][simplegrad.exp]"
    assert build.with_links(text) == text.replace("`sg.exp` is", f"{linked} is")


# Downloads

PAGE = "# 6. Adam\n\nAfter [descent](descent.ipynb)."


def test_a_tutorial_has_links_to_its_files_under_its_title():
    title, _, *links = build.with_downloads(PAGE, "tutorials/adam").split("\n")[:4]
    assert title == "# 6. Adam"
    assert "\n".join(links) == elsewhere.links("tutorials/adam")


def test_a_link_to_another_notebook_leads_to_its_page():
    page = build.with_downloads(PAGE, "tutorials/adam")
    assert page.endswith("\nAfter [descent](descent.md).")


# What runs in the page

needs_pyodide = pytest.mark.skipif(
    not (ROOT / "node_modules" / "pyodide").is_dir() or shutil.which("node") is None,
    reason="Pyodide is missing: install Node.js and run npm ci",
)

needs_wheels = pytest.mark.skipif(
    (ROOT / "PKG-INFO").is_file(),
    reason="an sdist has not the wheels that others have built: clone the repository",
)


@pytest.fixture(scope="module")
def files_to_run():
    return run_here.files()


@pytest.mark.slow
@needs_wheels
@needs_pyodide
def test_the_manifest_tells_the_truth_of_each_file_and_each_name_has_its_hash(files_to_run):
    (manifest,) = [json.loads(c) for name, c in files_to_run.items() if "/manifest-" in name]
    for name, file in manifest["files"].items():
        content = files_to_run[run_here.PLACE + file["url"]]
        digest = hashlib.sha256(content).hexdigest()
        assert (len(content), digest) == (file["size"], file["sha256"]), name
        assert digest[:8] in file["url"]
        assert file["for"] in {"python", "figures"}
        assert (content[:2] == b"\x1f\x8b") == file["packed"]
    named = {file["url"] for file in manifest["files"].values()}
    named |= {manifest["worker"], manifest["editor"]}
    assert named < {name.removeprefix(run_here.PLACE) for name in files_to_run}
    assert run_here.package() in files_to_run.values()


@pytest.mark.slow
@needs_wheels
@needs_pyodide
def test_what_is_fetched_before_the_first_output_is_at_most_ten_megabytes(files_to_run):
    (manifest,) = [json.loads(c) for name, c in files_to_run.items() if "/manifest-" in name]
    sizes = [file["size"] for file in manifest["files"].values() if file["for"] == "python"]
    assert sum(sizes) < 10e6


@pytest.mark.slow
@needs_wheels
@needs_pyodide
def test_the_files_are_the_same_when_they_are_made_again(files_to_run):
    assert run_here.files() == files_to_run


def test_the_library_in_the_page_is_that_of_the_source():
    with zipfile.ZipFile(io.BytesIO(run_here.package())) as file:
        assert "simplegrad/datasets/digits.npz" in file.namelist()
        for name in file.namelist():
            assert file.read(name) == (ROOT / name).read_bytes()
            assert "__pycache__" not in name


@needs_wheels
@needs_pyodide
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda path: path.write_bytes(path.read_bytes()[:-1]),
            r"SHA-256 is \w+, and the lock file",
        ),
        (lambda path: path.unlink(), "this wheel is missing"),
        (lambda path: path.rename(path.with_name("six-2.whl")), "does not know this wheel"),
    ],
    ids=["damaged", "missing", "unknown"],
)
def test_a_wrong_wheel_stops_the_build_with_its_name(tmp_path, monkeypatch, change, message):
    (row,) = [row for row in run_here.wheels() if row["name"] == "six"]
    wheel = tmp_path / row["file"]
    wheel.write_bytes((run_here.WHEELS / row["file"]).read_bytes())
    monkeypatch.setattr(run_here, "WHEELS", tmp_path)
    change(wheel)
    known = {"file": "six-2.whl"} if "does not know" in message else {}
    (tmp_path / "wheels.json").write_text(json.dumps([row | known]))
    with pytest.raises(run_here.RunError, match=rf"six.*\.whl: .*{message}"):
        run_here.wheels()


@needs_wheels
def test_each_wheel_has_its_row_and_the_text_of_its_licence():
    rows = json.loads((run_here.WHEELS / "wheels.json").read_text(encoding="utf-8"))
    assert {row["file"] for row in rows} == {path.name for path in run_here.WHEELS.glob("*.whl")}
    for row in rows:
        digest = hashlib.sha256((run_here.WHEELS / row["file"]).read_bytes()).hexdigest()
        assert row["sha256"] == digest
        text = run_here.WHEELS / "licences" / f"{row['name']}.txt"
        assert len(text.read_text(encoding="utf-8")) > 500


def test_a_page_with_cells_gets_the_script_and_another_does_not():
    names = [f"{run_here.PLACE}{name}" for name in ("page-1.js", "manifest-2.json")]
    page, files = SimpleNamespace(url="explain/"), [SimpleNamespace(src_uri=n) for n in names]
    assert build.on_page_content("<p>Text</p>", page, None, files) == "<p>Text</p>"
    with_cells = build.on_page_content('<div class="cell"></div>', page, None, files)
    assert f'<script src="../{names[0]}" data-manifest="../{names[1]}" defer>' in with_cells


def names_of(source):
    """The names that a cell binds, and those that it reads."""
    bound, read = set(), set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Name):
            (read if isinstance(node.ctx, ast.Load) else bound).add(node.id)
        elif isinstance(node, ast.alias):
            bound.add((node.asname or node.name).split(".")[0])
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            bound.add(node.name)
    return bound, read


SCRIPTS = [*pair.scripts(), *sorted((ROOT / "docs").glob("*.py"))]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_cell_that_runs_in_the_page_needs_none_that_does_not(script):
    there, missing = set(), set()
    for cell in pair.notebook_of(script.read_text(encoding="utf-8")).cells:
        if cell.cell_type == "code":
            bound, read = names_of(cell.source)
            if notebook_pages.NOT_IN_THE_PAGE in cell.metadata.get("tags", []):
                missing |= bound
            else:
                there |= bound
                assert not read & missing - there, cell.source


# Equations


EVERYTHING = [thing for things in equation_page.SECTIONS.values() for thing in things]


def test_every_rule_and_every_docstring_with_an_equation_is_on_the_page():
    public = [getattr(rules, name) for name in rules.__all__]
    for module in sg, sg.nn, sg.nn.init, optimizers, optimizers.schedules, sg.autograd, parallel:
        public += [thing for name, thing in vars(module).items() if not name.startswith("_")]
    with_equations = {
        thing for thing in public if callable(thing) and "$$" in (inspect.getdoc(thing) or "")
    }
    assert with_equations == set(EVERYTHING)


@pytest.mark.parametrize("thing", EVERYTHING, ids=lambda thing: thing.__name__)
def test_each_equation_stands_beside_lines_that_are_in_the_file(thing):
    found = list(equation_page.lines_of(thing))
    assert len(found) == len(equations_in(inspect.getdoc(thing))) >= 1
    for file, first, code in found:
        lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
        shown = code.splitlines()
        assert [line.strip() for line in lines[first - 1 : first - 1 + len(shown)]] == [
            line.strip() for line in shown
        ]
        assert ast.parse(f"def f():\n  for _ in []:\n{indented(code)}")


def indented(code):
    return "\n".join("    " + line for line in code.splitlines())


def test_the_five_of_adam_are_the_first_and_are_those_of_its_docstring():
    page = (ROOT / "docs" / "equations.py").read_text(encoding="utf-8")
    assert re.findall(r"<!-- equations: (\w+) -->", page)[0] == "optimizers"
    shown = equations_in(equation_page.markdown("optimizers"))
    adam = equations_in(inspect.getdoc(optimizers.Adam))
    assert len(adam) == 5
    assert [" ".join(tex.split()) for tex in shown[:5]] == [" ".join(tex.split()) for tex in adam]


@pytest.mark.parametrize("optimizer", equation_page.CELLS, ids=lambda thing: thing.__name__)
def test_the_cells_of_an_optimizer_take_the_step_that_it_takes(optimizer):
    page = equation_page.entry(optimizer)
    cells = re.findall(r"^``` {\.python \.cell-in.*?}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    names = {}
    exec("\n".join(cells), names)
    theta = sg.Tensor([1.0, -2.0], requires_grad=True)
    (theta**2).sum().backward()
    if optimizer is optimizers.AdamW:  # its one line is the decay; what follows is Adam's
        theta.data -= names["lr"] * names["weight_decay"] * theta.data
    else:
        called = {"momentum": "mu", "dampening": "tau"}
        known = inspect.signature(optimizer).parameters
        given = {key: names[called.get(key, key)] for key in known if called.get(key, key) in names}
        optimizer(param_groups=[{"params": {"theta": theta}}], **given).step()
    assert names["theta"].data.tobytes() == theta.data.tobytes()
    assert f"theta.data = {theta.data}\n" in page


def test_every_section_of_equations_is_on_the_page():
    page = (ROOT / "docs" / "equations.py").read_text(encoding="utf-8")
    asked = re.findall(r"<!-- equations: (\w+) -->", page)
    assert sorted(asked) == sorted([*equation_page.SECTIONS, "symbols"])


def test_the_table_of_symbols_has_each_symbol_once():
    symbols = re.findall(r"^\| \$(.*?)\$", equation_page.symbols(), re.MULTILINE)
    assert len(set(symbols)) == len(symbols)
    assert {r"\theta", r"\beta_1, \beta_2", r"\epsilon", r"\lambda", r"\mu"} <= set(symbols)


def test_an_equation_without_its_line_stops_the_build():
    class Drifted(optimizers.Optimizer):
        """An optimizer whose code has gone another way.

        $$w_t = g$$
        """

        def update(self, theta, group, kept):
            step = theta.grad
            theta.data -= step
            return kept

    with pytest.raises(LookupError, match=r"no line of .*update computes the equation"):
        list(equation_page.lines_of(Drifted))


# Markdown pages

PAGES = sorted((ROOT / "docs").rglob("*.md"))


def python_blocks(path):
    text = path.read_text(encoding="utf-8")
    return re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT / "docs")))
def test_the_python_of_a_page_runs(path, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    names = {}
    for block in python_blocks(path):
        exec(block, names)


def test_every_public_name_is_on_a_page_of_the_api():
    pages = "\n".join(path.read_text(encoding="utf-8") for path in PAGES)
    shown = set(re.findall(r"^::: ([\w.]+)$", pages, re.MULTILINE))
    for module in sg, nn, nn.init, optimizers, fast, parallel, sg.datasets:
        for name in module.__all__:
            place = f"{module.__name__}.{name}"
            assert place in shown or not callable(getattr(module, name)), (
                f"no page of docs/api/ shows {place}. Write the line `::: {place}` on one of them: "
                "functions are in docs/api/functions.md."
            )


def test_the_rule_of_the_page_about_rules_works():
    rule, *_, trial = python_blocks(ROOT / "CONTRIBUTING.md")
    names = {"np": np}
    exec(rule, names)
    a = sg.Tensor(np.linspace(-3, 3, 7), requires_grad=True)

    def sinh(a):
        return sg.tensor.record(names["Sinh"].forward(a.data), names["Sinh"], a)

    assert sg.gradcheck(sinh, a)
    assert "sg.gradcheck(sg.sinh, a)" in trial


def test_the_functions_of_a_thing_are_in_the_order_of_its_equations():
    functions_of = equation_page.functions_of
    mul, schedules = rules.Mul, optimizers.schedules
    assert functions_of(mul) == [mul.forward, mul.da, mul.db]
    assert functions_of(rules.Stack) == [rules.Stack.forward, rules.Stack.partials.partial]
    assert functions_of(optimizers.SGD) == [optimizers.SGD.update]
    assert functions_of(nn.Linear) == [nn.Linear.forward]
    assert functions_of(schedules.Step) == [schedules.Step.factor]
    assert functions_of(schedules.Schedule) == [schedules.Schedule._set_rates]
    assert functions_of(sg.softmax) == [sg.softmax]
    assert functions_of(autograd.backward) == [autograd.chain_rule]
    assert len(functions_of(gradcheck.gradcheck)) == 2


# Figures that move


def figure_of(name):
    return runpy.run_path(str(ROOT / "docs" / "figures" / f"{name}.py"))


def parts_at(made, position):
    """What the data of a figure with one slider give for one of its positions."""
    data = json.loads(made.data().decode().partition("=")[2])
    return [data["strings"][part["at"][position]] for part in data["parts"]]


@needs_katex
@pytest.mark.parametrize(
    "make",
    [
        lambda x, b: sg.tanh(x @ b + b).mean(axis=0),
        lambda x, b: (x * b)[0].sum() * 2,
        lambda x, b: sg.stack([b, x[1], b]).sum(axis=1)[2],
        lambda x, b: b.sum().reshape(1),
    ],
)
def test_the_player_ends_with_the_gradients_of_backward_for_any_small_tensor(make):
    x = sg.Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True, name="x<y")
    b = sg.Tensor([0.5, -1.0], requires_grad=True, name="b")
    made, root = figures.Figure("any"), make(x, b)
    figure_of("backward")["play"](made, root)
    for t in autograd.tape_of(root):
        t.grad = None
    root.backward(retain_grads=True)
    wanted = re.findall(r">((?:value|grad) [^<]*)<", sg.draw(root).svg)
    assert any(text.startswith("grad") for text in wanted)
    shown = [text for text in parts_at(made, -1) if re.match("value|grad", text)]
    assert shown == wanted
    assert "x<y" not in made.picture


def test_the_player_refuses_a_graph_that_is_too_large():
    x = sg.Tensor(1.0, requires_grad=True)
    for _ in range(20):
        x = x + 1.0
    with pytest.raises(ValueError, match=r"up to 20 of them, but this graph has 41"):
        figure_of("backward")["play"](figures.Figure("large"), x)


def test_the_figures_of_a_page_are_numbered_in_their_order_and_have_captions():
    picture = '<p><img alt="A line from 1.5. It falls." class="cell-out" src="a.svg" /></p>'
    content = f'{picture}<p>Text.</p><div id="figure-valley"></div>{picture}'
    paths = [f"assets/figures/{name}" for name in ("figure-1.css", "figure-1.js", "valley-1.js")]
    made = figures.with_figures(content, paths, "")
    assert re.findall(r'<figure class="\w+" id="([\w-]+)" aria-label="Figure \d"', made) == [
        "figure-1",
        "figure-valley",
        "figure-3",
    ]
    for number in 1, 3:
        caption = '<span aria-hidden="true">A line from 1.5.</span><a'  # heard with the picture
        assert f"<strong>Figure {number}.</strong> {caption}" in made
    assert "<strong>Figure 2.</strong> Four optimizers" in made
    assert made.count('figure-1.js" defer') == made.count("figure-1.css") == 1


@pytest.mark.parametrize("kind", ["cell-out", "on-paper"])
def test_only_a_picture_that_is_too_wide_for_a_phone_scrolls_in_its_place(kind):
    for width in 640, 710, 720, 1170:
        picture = f'<p><img alt="Bars" class="{kind}" src="a.png" width="{width}" /></p>'
        made = figures.with_figures(picture, [], "")
        assert made.startswith('<figure class="still" id="figure-1" aria-label="Figure 1">')
        assert ">Bars</span>" in made
        assert ('class="wide" tabindex="0"' in made) is (width > 716)


def test_each_part_of_a_figure_is_what_it_is_at_a_position_of_its_controls():
    made = figures.Figure("small")
    a = made.slider("a", [1, 2, 3], start=2)
    b = made.choice("b", ["x", "y"], start="y")
    assert made.attribute("d", lambda b, a: f"{b}{a}&", b, a).endswith('d="y2&amp;"')
    assert made.element("td", lambda a: f"<b>{a}</b>", a) == '<td data-moves="4" ><b>2</b></td>'
    data = json.loads(made.data().decode().partition("=")[2])
    (part,) = [part for part in data["parts"] if part["sets"] == "d"]
    strides = dict(part["by"])  # by the number of the control
    assert list(strides) == [b.number, a.number]
    for i, j in np.ndindex(3, 2):
        at = part["at"][i * strides[a.number] + j * strides[b.number]]
        assert data["strings"][at] == f"{b.values[j]}{a.values[i]}&"


# The course


def test_the_time_of_a_chapter_is_counted(tmp_path):
    script = tmp_path / "one.py"
    words, code = "# word " + "word " * 399 + "\n", "x = 1\n" * 30
    equation, exercise = "# $$a = b$$\n", "# **1.** Say.\n"
    folded = '# %% jupyter={"source_hidden": true}\n' + code
    script.write_text(f"# %% [markdown]\n{words}{equation}{exercise}\n# %%\n{code}\n{folded}")
    assert 2 + 1 + 0.5 + 5 == 8.5  # minutes: words, code that is not folded, equation, exercise
    assert chapters.minutes(script) == 10  # rounded up to five minutes


@pytest.mark.parametrize("script", pair.scripts(), ids=lambda script: script.stem)
def test_no_chapter_takes_more_than_an_hour(script):
    assert chapters.minutes(script) <= 60


def test_the_page_of_exercises_lists_each_with_its_chapter():
    rows = chapters.table_of_exercises().splitlines()[2:]
    wanted = [(name, chapter) for chapter, names in pair.course().items() for name in names]
    found = [re.match(r"\| \[`(\w+)`\]\(\1\.md\) .*/tutorials/(\w+)\.md\)", row) for row in rows]
    assert [match.groups() for match in found] == wanted


def test_each_chapter_has_a_picture_for_the_index():
    for script in pair.scripts():
        cells = pair.notebook_of(script.read_text("utf-8")).cells
        assert any(cell.metadata.get("alt") for cell in cells), script.name


def test_the_index_says_of_each_chapter_what_the_chapter_says():
    written = chapters.index({"tutorials/gradients_6_light.svg"})
    entries = written.split("</div>")[:-1]
    for script, entry in zip(pair.scripts(), entries, strict=True):
        first = script.read_text("utf-8").partition("\n\n")[0]
        assert f"]({script.stem}.md)" in entry
        assert f"**Time:** {chapters.minutes(script)} minutes" in entry
        before = re.findall(r"\((\w+)\.ipynb\)", first)
        assert re.findall(r"\((\w+)\.md\)", entry) == [script.stem, *before]
    assert ["![" in entry for entry in entries] == [
        script.stem == "gradients" for script in pair.scripts()
    ]
