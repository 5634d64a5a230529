"""Run it here: Python for the cells of a page, as files of the site.

Nothing comes from another host. Each wheel is compared with the lock file of the pinned Pyodide when
the site is built, and each file with the manifest written here when a reader's browser has fetched
it. Names have a version or a hash in them, so that no cache mixes the files of two builds.
"""

import gzip
import hashlib
import io
import json
import subprocess
import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

import notebook_pages
import typeset
from mkdocs.utils import get_relative_url
from pair import ROOT

from simplegrad.tools.equations import equations_in

RUN = ROOT / "docs" / "run"
TOOLS = ROOT / "simplegrad" / "tools"
STEPPER = "stepper.js", "stepper.css"
PLACE = "assets/run/"  # in the site
WHEELS = RUN / "wheels"
NODE_MODULES = ROOT / "node_modules"
PYODIDE = NODE_MODULES / "pyodide"
PACKED = {".js", ".mjs", ".wasm"}  # what is no archive yet, and shrinks to a third
OF_THE_LIBRARY = {".py", ".npz", ".txt", ".js", ".css"}
FIRST_CELL = '<div class="cell'
NO_SCRIPT = (  # is seen where there is none
    '<p class="run-note run-no-script" data-search-exclude>'
    "You can run the cells of this page here: allow it JavaScript.</p>"
)
LICENCE = (
    "/* CodeMirror and Lezer: MIT licence, (c) Marijn Haverbeke and others; simplegrad: MIT */"
)
A_DAY = (1980, 1, 1, 0, 0, 0)  # in place of the times of files: the same sources, the same archive


class RunError(Exception):
    """What keeps Python out of the pages; the message starts with the file."""


def files() -> dict[str, bytes]:
    """{path in the site: content} of all that the pages need to run their cells."""
    made: dict[str, bytes] = {}
    entries = {}

    def add(name: str, content: bytes, needed_for: str, packed: bool = False) -> None:
        shipped = gzip.compress(content, mtime=0) if packed else content
        path = hashed(name + ".packed" if packed else name, shipped)
        made[path] = shipped
        entries[name] = {
            "url": path,
            "for": needed_for,
            "packed": packed,
            "size": len(shipped),
            "sha256": hashlib.sha256(shipped).hexdigest(),
        }

    for name, content in interpreter().items():
        add(name, content, "python", packed=Path(name).suffix in PACKED)
    for wheel in wheels():
        add(wheel["file"], (WHEELS / wheel["file"]).read_bytes(), wheel["for"])
    add("simplegrad.zip", package(), "python")
    add("kernel.py", (RUN / "kernel.py").read_bytes(), "python")
    add("fontlist.json", (RUN / "fontlist.json").read_bytes(), "figures", packed=True)
    add("matplotlibrc", (notebook_pages.HOOKS / "matplotlibrc").read_bytes(), "figures")

    def put(name: str, content: bytes) -> str:
        path = hashed(name, content)
        made[path] = content
        return path

    manifest = {
        "worker": put("worker.js", (RUN / "worker.js").read_bytes()),
        "editor": put("editor.js", bundled("editor.js", format="esm", banner={"js": LICENCE})),
        "stepper": [put(name, (TOOLS / name).read_bytes()) for name in STEPPER],
        "equations": put("equations.json", json.dumps(typeset_equations()).encode()),
        "pyodide": lock_file()["info"],
        "ink": notebook_pages.INK,
        "files": entries,
    }
    put("manifest.json", json.dumps(manifest, indent=1).encode())
    put("page.js", bundled("page.js"))
    return {f"{PLACE}{name}": content for name, content in made.items()}


def with_script(html: str, paths: Collection[str], url: str) -> str:
    """The content of a page with cells, at a URL, with page.js and where the manifest is."""
    page, manifest = (
        next(get_relative_url(path, url) for path in paths if path.startswith(f"{PLACE}{name}-"))
        for name in ("page", "manifest")
    )
    html = html.replace(FIRST_CELL, f"{NO_SCRIPT}\n{FIRST_CELL}", 1)
    return f'{html}\n<script src="{page}" data-manifest="{manifest}" defer></script>\n'


def hashed(name: str, content: bytes) -> str:
    """The name with a part of the content's hash: page.js becomes page-0a1b2c3d.js."""
    stem, dot, suffix = name.rpartition(".")
    return (
        f"{stem or suffix}-{hashlib.sha256(content).hexdigest()[:8]}{dot}{suffix if stem else ''}"
    )


def read(path: Path) -> bytes:
    """A file that npm has installed."""
    if not path.is_file():
        raise RunError(f"{path.relative_to(ROOT)} is missing: run npm ci")
    return path.read_bytes()


def interpreter() -> dict[str, bytes]:
    """Pyodide: CPython for the browser, its standard library, and what starts both."""
    names = "pyodide.mjs", "pyodide.asm.js", "pyodide.asm.wasm", "python_stdlib.zip"
    return {name: read(PYODIDE / name) for name in names}


def lock_file() -> dict[str, Any]:
    """What this Pyodide is made for, and each package that was made with it."""
    lock: dict[str, Any] = json.loads(read(PYODIDE / "pyodide-lock.json"))
    return lock


def bundled(name: str, **more: Any) -> bytes:
    """A script of docs/run without its blanks and comments, and with what it imports."""
    read(NODE_MODULES / "esbuild" / "package.json")
    options = {
        "entryPoints": [str(RUN / name)],
        "bundle": True,
        "minify": True,
        "write": False,
        "legalComments": "none",
        **more,
    }
    bundle = f"process.stdout.write(require('esbuild').buildSync({json.dumps(options)})"
    command = ["node", "-e", f"{bundle}.outputFiles[0].contents)"]
    process = subprocess.run(command, cwd=ROOT, capture_output=True)
    if process.returncode:
        raise RunError(f"{RUN / name}: {process.stderr.decode()}")
    return process.stdout


def typeset_equations() -> dict[str, str]:
    """Each equation of the library, as it is typeset: for the steps of a reader's cell."""
    sources = sorted((ROOT / "simplegrad").rglob("*.py"))
    found = [tex for path in sources for tex in equations_in(path.read_text(encoding="utf-8"))]
    return {tex: typeset.typeset(tex, display=True) for tex in (" ".join(x.split()) for x in found)}


def wheels() -> list[dict[str, str]]:
    """The rows of wheels.json, each wheel being the one that this Pyodide was made with."""
    known = {one["file_name"]: one["sha256"] for one in lock_file()["packages"].values()}
    rows: list[dict[str, str]] = json.loads((WHEELS / "wheels.json").read_text(encoding="utf-8"))
    for row in rows:
        path = WHEELS / row["file"]
        if row["file"] not in known:
            raise RunError(
                f"{path}: the lock file of node_modules/pyodide does not know this wheel"
            )
        if not path.is_file():
            raise RunError(f"{path}: this wheel is missing; wheels.json names it")
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        for source, wanted in ("the lock file", known[row["file"]]), ("wheels.json", row["sha256"]):
            if digest != wanted:
                raise RunError(f"{path}: its SHA-256 is {digest}, and {source} has {wanted}")
    return rows


def package() -> bytes:
    """The library as an archive, the same bytes from the same sources."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for path in sorted((ROOT / "simplegrad").rglob("*")):
            if path.suffix in OF_THE_LIBRARY:
                name = zipfile.ZipInfo(path.relative_to(ROOT).as_posix(), A_DAY)
                name.compress_type = zipfile.ZIP_DEFLATED
                file.writestr(name, path.read_bytes())
    return archive.getvalue()
