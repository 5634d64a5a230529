"""The page of mistakes: what its errors say to write is taken out of them and run."""

import linecache
import re
from pathlib import Path

import pytest

from tests.helpers.advice import advice_of, names_for_advice, run

PAGE = Path(__file__).resolve().parents[2] / "docs" / "mistakes.py"


def cells():
    """The code of each cell of the page, and whether it shows an error."""
    parts = re.split(r"^# %%(.*)\n", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    pairs = zip(parts[::2], parts[1::2], strict=True)
    return [(code, "raises-exception" in head) for head, code in pairs if "[markdown]" not in head]


SPOKEN_OF = {"t": "t", "self": "t", "obj": "t", "prediction": "prediction", "target": "target"}


def spoken_of(error):
    """What a message speaks of, by the name that it has there: the library's arguments."""
    arguments = {}
    for entry in error.traceback[1:]:
        given = entry.frame.f_locals
        arguments |= {said: given[name] for name, said in SPOKEN_OF.items() if name in given}
    return arguments


def test_the_errors_of_the_page_advise_what_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(linecache, "checkcache", lambda filename=None: None)  # cells are no files
    names, with_advice = {"__name__": "__main__"}, 0
    for number, (code, shows_an_error) in enumerate(cells()):
        place = f"<cell {number} of {PAGE.name}>"
        linecache.cache[place] = len(code), None, code.splitlines(keepends=True), place
        cell = compile(code, place, "exec")
        if not shows_an_error:
            exec(cell, names)
            continue
        with pytest.raises((Exception, UserWarning)) as error:
            exec(cell, names)
        said = str(error.value)
        if advice_of(said) and "..." not in said:
            run(said, {**names_for_advice(), **names, **spoken_of(error)})
            with_advice += 1
    assert with_advice > 20
