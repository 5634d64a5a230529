// Python in a worker: the only file that knows Pyodide. It fetches the files that the manifest names,
// compares each with its SHA-256, and runs cells. To the page it says
//   {type: "progress", what, bytes, total}   while it fetches
//   {type: "ready", watched}           once, when cells can run; whether the lock is held
//   {type: "output", kind, text}       what a cell shows
//   {type: "done", ok}                 a cell has ended, with or without an error
//   {type: "failed", problem}          this worker is of no use any more: end it

let manifest, base, cache, python, kernel, progress
let packages // the folder of what is installed
const NAMES = { python: "Python", figures: "Matplotlib" }
let figures = false // whether Matplotlib is there

const send = (type, more = {}) => postMessage({ type, ...more })

onmessage = async ({ data }) => {
  try {
    if (data.type === "start") await start(data)
    else await run(data)
  } catch (error) {
    // run() returns for whatever Python raises, so this is the interpreter's own end
    send("failed", { problem: error.problem ?? sentenceOf(error) })
  }
}

const TOO_DEEP = /call stack|too much recursion/ // what Chromium, Safari and Firefox write

function sentenceOf(error) {
  const said = firstLine(error)
  return TOO_DEEP.test(said)
    ? `Calls or data were nested more deeply than Python can go in a browser (${said}).`
    : `Python itself has failed (${said || "it does not say why"}).`
}

const firstLine = (error) => String(error?.message ?? error).trim().split("\n")[0].slice(0, 200)

async function start(data) {
  ;({ manifest, base, cache } = data)
  let watched = false
  navigator.locks
    ?.request(data.life, () => {
      watched = true
      return new Promise(() => {}) // held until this worker ends
    })
    .catch(() => {}) // where storage is forbidden, so are locks
  const files = fetchAll("python")
  const { loadPyodide } = await importScript(await files["pyodide.mjs"])
  await importScript(await files["pyodide.asm.js"])
  const [wasm, library] = [await files["pyodide.asm.wasm"], await files["python_stdlib.zip"]]
  const lock = JSON.stringify({ info: manifest.pyodide, packages: {} })
  const given = { "pyodide.asm.wasm": wasm, "python_stdlib.zip": library, "pyodide-lock.json": lock }
  const types = { "pyodide.asm.wasm": "application/wasm", "pyodide-lock.json": "application/json" }
  const failureOfWebAssembly = watchWebAssembly()
  const elsewhere = self.fetch
  self.fetch = async (url) => {
    // Pyodide asks for its files by name, and gets those that are here already
    const name = String(url).split("/").pop()
    return new Response(given[name], { headers: { "Content-Type": types[name] ?? "" } })
  }
  const loading = loadPyodide({ indexURL: base, env: { HOME: "/home/reader", TZ: "UTC" } })
  python = await Promise.race([loading, failureOfWebAssembly])
  self.fetch = elsewhere
  packages = python.runPython("import sysconfig; sysconfig.get_path('purelib')")
  await install(files)
  python.FS.writeFile(`${packages}/kernel_of_the_page.py`, await files["kernel.py"])
  kernel = python.pyimport("kernel_of_the_page")
  python.runPython("import simplegrad")
  send("ready", { watched })
}

// Where the browser refuses to compile, as without memory, Pyodide writes a warning and waits for ever
function watchWebAssembly() {
  const instantiate = WebAssembly.instantiateStreaming
  return new Promise((_, reject) => {
    WebAssembly.instantiateStreaming = (...given) => {
      WebAssembly.instantiateStreaming = instantiate
      const result = instantiate(...given)
      result.catch((error) =>
        reject(problem(`The browser does not let Python start (${firstLine(error)}).`)),
      )
      return result
    }
  })
}

async function run({ sources, exercise, steps }) {
  const draws = /^\s*(import|from)\s+(matplotlib|pylab|mpl_toolkits)\b/m
  if (!figures && sources.some(([, source]) => draws.test(source))) {
    const files = fetchAll("figures")
    await install(files)
    const settings = `${packages}/matplotlib/page.matplotlibrc`
    python.FS.writeFile(settings, await files["matplotlibrc"])
    // Without the list, Matplotlib looks at each of its fonts, which takes seconds
    python.FS.writeFile(`${packages}/matplotlib/fontlist.json`, await files["fontlist.json"])
    kernel.prepare_figures(settings)
    figures = true
  }
  const show = (kind, text) => send("output", { kind, text })
  const ok = exercise
    ? kernel.check(exercise, sources, show)
    : kernel[steps ? "step_through" : "run"](...sources[0], show)
  send("done", { ok })
}

async function install(files) {
  for (const [name, content] of Object.entries(files))
    if (/\.(whl|zip)$/.test(name) && name !== "python_stdlib.zip")
      python.unpackArchive(await content, "zip", { extractDir: packages })
}

// Files

// {name: promise of its content} of all files that are needed for a thing, fetched side by side
function fetchAll(thing) {
  const wanted = Object.entries(manifest.files).filter(([, file]) => file.for === thing)
  const total = wanted.reduce((sum, [, file]) => sum + file.size, 0)
  progress = { what: NAMES[thing], bytes: 0, total, said: 0 }
  const files = Object.fromEntries(wanted.map(([name, file]) => [name, fetched(name, file)]))
  for (const file of Object.values(files)) file.catch(() => {}) // one that fails is enough to say
  return files
}

async function fetched(name, file) {
  const content = await received(name, file)
  if (content.length !== file.size || !(await isIntact(content, file.sha256)))
    throw problem(`The file ${file.url} is damaged: it is not the one that this site was made with.`)
  return file.packed ? unpacked(content) : content
}

async function received(name, file) {
  const lost = problem(
    `The connection was lost while ${file.url} was fetched. Look after your connection.`,
  )
  const response = await fetch(new URL(file.url, base), { cache }).catch(() => {
    throw lost
  })
  if (!response.ok)
    throw problem(`The file ${file.url} is missing on the server (${response.status}).`)
  const chunks = []
  const reader = response.body.getReader()
  for (;;) {
    const { done, value } = await reader.read().catch(() => {
      throw lost
    })
    if (done) break
    chunks.push(value)
    count(value.length)
  }
  return new Uint8Array(await new Blob(chunks).arrayBuffer())
}

function count(bytes) {
  progress.bytes += bytes
  if (performance.now() - progress.said < 50 && progress.bytes < progress.total) return
  progress.said = performance.now()
  send("progress", progress)
}

async function isIntact(content, sha256) {
  if (!crypto.subtle) return true // without https, a browser computes none: the size must do
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", content))
  return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("") === sha256
}

async function unpacked(content) {
  const stream = new Blob([content]).stream().pipeThrough(new DecompressionStream("gzip"))
  return new Uint8Array(await new Response(stream).arrayBuffer())
}

async function importScript(content) {
  const url = URL.createObjectURL(new Blob([content], { type: "text/javascript" }))
  try {
    return await import(url)
  } finally {
    URL.revokeObjectURL(url)
  }
}

function problem(text) {
  return Object.assign(new Error(text), { problem: text })
}
