// The library's own tests under Pyodide, the Python that runs in the pages:
//   node tests/pyodide/run.mjs FOLDER [arguments of pytest]
// FOLDER has pytest and what else the tests import, in pure Python. `.ci/check pyodide` makes it.

import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { loadPyodide } from "pyodide"

const root = fileURLToPath(new URL("../..", import.meta.url))
const wheels = `${root}/docs/run/wheels`
const [folder, ...options] = process.argv.slice(2)

const env = { HOME: "/home", PYTHONDONTWRITEBYTECODE: "1", PYTEST_DISABLE_PLUGIN_AUTOLOAD: "1" }
const python = await loadPyodide({ env })
const installed = python.runPython("import sysconfig; sysconfig.get_path('purelib')")
for (const { file } of JSON.parse(readFileSync(`${wheels}/wheels.json`))) {
  const wheel = new Uint8Array(readFileSync(`${wheels}/${file}`))
  python.unpackArchive(wheel, "zip", { extractDir: installed })
}
for (const [place, path] of [["/site-packages", folder], ["/repository", root]]) {
  python.FS.mkdir(place)
  python.mountNodeFS(place, path)
}
python.globals.set("options", python.toPy(options))
process.exitCode = python.runPython(`
import os, sys
sys.path += ["/site-packages", "/repository"]
os.chdir("/repository")
import pytest
plugins = ["-p", "_hypothesis_pytestplugin", "-p", "tests.pyodide.differences"]
int(pytest.main([*plugins, "-p", "no:cacheprovider", "--capture=sys", *options]))
`)
