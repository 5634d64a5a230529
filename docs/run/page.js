// Run it here: gives each cell of a page its buttons. Before the first click, nothing more is fetched.
// Then one worker runs Python for all cells of the page (worker.js); the editor comes with the first
// Edit (editor.js). Where something is missing, a sentence says so, and the page is as it was built.
;(() => {
  const script = document.currentScript
  const base = new URL("./", script.src)
  let manifest // promise of what the files are called, and what is in them
  let python // the interpreter: {worker, ended, end, answer}, or undefined
  let running // the cell whose buttons started what is going on
  let shown // the cell that the worker runs at this moment

  // Cells

  const seen = {}
  const cells = [...document.querySelectorAll("article .cell")].map((box, index) => {
    const block = box.querySelector(".cell-in")
    const code = block.querySelector("pre > code") // numbers of lines have a pre, too
    const pre = code.parentElement
    const original = code.textContent.trimEnd()
    const hash = [...original].reduce((sum, c) => (sum * 31 + c.charCodeAt(0)) | 0, 7)
    seen[hash] = (seen[hash] ?? 0) + 1
    return {
      box,
      block,
      pre,
      code,
      original,
      number: index + 1,
      key: `simplegrad:${location.pathname}:${hash}:${seen[hash]}`,
      highlighted: [...code.childNodes],
      built: outputsOf(box),
      runs: !box.classList.contains("not-in-the-page"),
      checks: box.classList.contains("check"), // an exercise: what stands above, in an empty namespace
      showsAnError: box.classList.contains("raises-exception"),
      ran: undefined, // the text that this interpreter has run
      changed: undefined, // the reader's text
    }
  })

  function outputsOf(box) {
    const outputs = [...box.querySelectorAll("div.cell-out, img.cell-out")]
    const whole = (one) => one.closest("[data-steps]") ?? (one.tagName === "IMG" ? one.closest("figure") : one)
    return [...new Set(outputs.map(whole))]
  }

  const check = cells.find((one) => one.checks)
  const isAnswer = (cell) => cell.number < check?.number // it has no Run: the check runs it
  const textOf = (cell) => cell.changed ?? cell.original

  function addBar(cell) {
    const bar = element("div", { className: "run-bar" })
    cell.block.append(bar)
    if (!cell.runs) {
      bar.textContent =
        "This cell needs what a page cannot give it, such as a process, a file, minutes or a fine " +
        "clock: run it on your machine."
      return
    }
    bar.setAttribute("role", "group")
    bar.setAttribute("aria-label", `Cell ${cell.number}`)
    const button = (text, action) => {
      const made = element("button", { type: "button", textContent: text, className: "run-button" })
      made.setAttribute("aria-label", `${text} cell ${cell.number}`)
      made.addEventListener("click", () => action(cell))
      bar.append(made)
      return made
    }
    cell.run = button(cell.checks ? "Check" : "Run", (one) => run(one))
    cell.step = button("Step through", (one) => run(one, true))
    cell.edit = button("Edit", edit)
    cell.reset = button("Reset this cell", reset)
    cell.reset.setAttribute("aria-label", `Reset this cell, number ${cell.number}`)
    cell.restart = button("Restart", restart)
    cell.restart.setAttribute("aria-label", "Restart Python")
    cell.stop = button("Stop", stop) // not where Run was: a double click is to start something
    cell.note = element("span", { className: "run-note" })
    cell.progress = element("progress", { hidden: true })
    cell.progress.setAttribute("aria-label", "Bytes fetched")
    bar.append(cell.progress, cell.note)
    showText(cell, keptText(cell))
    showButtons(cell)
  }

  function element(name, properties) {
    return Object.assign(document.createElement(name), properties)
  }

  function showButtons(cell) {
    const visible = {
      run: !isAnswer(cell),
      step: !isAnswer(cell) && !cell.checks,
      stop: running === cell,
      edit: !cell.editor && !cell.checks,
      reset: cell.changed !== undefined || Boolean(cell.live) || Boolean(cell.editor),
      restart: Boolean(python) && running === undefined && cell === lastRun,
    }
    const focused = document.activeElement
    for (const [name, is] of Object.entries(visible)) cell[name].hidden = !is
    if (focused?.hidden && cell.block.contains(focused))
      cell.block.querySelector(".run-button:not([hidden])").focus()
  }

  // What is going on, in a sentence: beside the buttons, and for those who listen to the page

  const spoken = element("div", { className: "run-spoken" })
  spoken.setAttribute("role", "status")
  let lastRun // the cell whose buttons were used last

  function say(cell, text) {
    cell.note.textContent = text
    spoken.textContent = text
  }

  function showProgress({ what, bytes, total }) {
    const cell = running
    const done = bytes >= total
    Object.assign(cell.progress, { hidden: done, max: total, value: bytes })
    const megabytes = (number) => (number / 1e6).toFixed(1)
    // Not spoken: it changes twenty times a second
    cell.note.textContent = done
      ? `${what} starts`
      : `Fetching ${what}: ${megabytes(bytes)} of ${megabytes(total)} MB`
  }

  // The interpreter

  class Problem extends Error {}

  function findManifest() {
    manifest ??= fetch(script.dataset.manifest)
      .then((answer) => {
        if (answer.ok) return answer.json()
        throw new Problem(`The file ${answer.url} is missing on the server (${answer.status}).`)
      })
      .catch((error) => {
        manifest = undefined
        if (error instanceof Problem) throw error
        throw new Problem("The site cannot be reached. Look after your connection.")
      })
    return manifest
  }

  function whyNot() {
    if (location.protocol === "file:")
      return (
        "This page was opened from a folder, and browsers run Python only on pages of a web server. " +
        "In the folder of the site, “python -m http.server” is one."
      )
    if (!window.WebAssembly || !window.Worker || !window.DecompressionStream)
      return (
        "This browser cannot run Python: it has no WebAssembly, or it is older than 2023. " +
        "Try another one."
      )
  }

  let cache = "default" // after a failure "reload": what a browser has kept may be what is damaged

  // An interpreter that is ready; it is started unless there is one
  async function interpreter() {
    if (python) return
    const one = (python = {})
    one.ended = new Promise((_, reject) => (one.end = reject))
    one.ended.catch(() => {}) // whoever waits for it catches it, too
    const files = await Promise.race([findManifest(), one.ended])
    const blocked = "The browser does not let this page start Python in a worker"
    try {
      one.worker = new Worker(new URL(files.worker, base), { type: "module" })
    } catch (error) {
      const detail = `${blocked} (${error.message})`
      throw new Problem(`${detail}: allow it for this site, or try another browser.`)
    }
    one.worker.onerror = (event) => {
      event.preventDefault()
      const detail = event.message ? ` (${event.message})` : ""
      if (one.ready) fail(one, `Python itself has failed${detail}.`)
      else fail(one, `${blocked}${detail}: it is blocked, or a file is missing.`)
    }
    one.worker.onmessage = ({ data }) => {
      if (data.type === "progress") showProgress(data)
      else if (data.type === "output") showOutput(shown, data, files.ink)
      else if (data.type === "failed") fail(one, data.problem)
      else one.answer(data)
    }
    const life = `simplegrad:${Date.now()}:${Math.random()}`
    const { watched } = await ask({ type: "start", manifest: files, base: base.href, cache, life })
    cache = "default"
    one.ready = true
    // The worker holds this lock as long as it lives: whoever gets it knows that the browser has ended it
    if (watched) navigator.locks.request(life, () => fail(one, "The browser has ended Python."))
  }

  function fail(one, reason) {
    if (one !== python) return // it was ended before it could say so
    if (!one.ready) cache = "reload"
    const sentence = endPython(reason)
    if (running) return // it says so
    say(lastRun, sentence)
    showButtons(lastRun)
  }

  function ask(message) {
    const answer = new Promise((resolve) => (python.answer = resolve))
    python.worker.postMessage(message)
    return Promise.race([answer, python.ended])
  }

  // Ends the interpreter and whatever waits for it; the sentence that says so
  function endPython(reason) {
    const { worker, end, ready } = python
    const name = lastRun.run.textContent
    const gone = `The variables are gone: ${name} starts anew.`
    const sentence = `${reason} ${ready ? gone : `Press ${name} to try again.`}`
    worker?.terminate()
    python = undefined
    for (const cell of cells) cell.ran = undefined
    end(new Problem(sentence))
    return sentence
  }

  function stop() {
    if (python) endPython("Stopped.")
  }

  function restart(cell) {
    say(cell, endPython("Python has ended."))
    showButtons(cell)
  }

  // Running

  async function run(cell, steps = false) {
    if (running) return say(cell, `Cell ${running.number} is running. Wait for it, or stop it.`)
    const impossible = whyNot()
    if (impossible) return say(cell, impossible)
    const before = lastRun
    running = lastRun = cell
    if (before) showButtons(before)
    showButtons(cell)
    if (cell.checks) cell.block.scrollIntoView({ block: "nearest" }) // the editor may be far above
    try {
      say(cell, python ? "Running" : "Fetching Python")
      await interpreter()
      await runInOrder(cell, steps)
    } catch (error) {
      if (!(error instanceof Problem)) console.error(error)
      say(cell, python ? endPython(error.message) : error.message)
    } finally {
      cell.progress.hidden = true
      for (const one of cells) one.box.classList.remove("run-now")
      running = shown = undefined
      showButtons(cell)
    }
  }

  async function runInOrder(cell, steps) {
    const above = cells.slice(0, cell.number - 1).filter((one) => one.runs && !one.checks)
    const first = above.findIndex((one) => one.ran !== textOf(one))
    // What stands below a change runs again, too; a check runs what it needs itself
    const due = first < 0 || cell.checks ? [] : above.slice(first)
    const those = due.length === 1 ? "one cell above" : `${due.length} cells above`
    for (const [index, one] of [...due, cell].entries()) {
      if (one === cell) say(cell, "Running")
      else say(cell, `First, ${those}: ${index + 1} of ${due.length}`)
      const ok = await runOne(one, steps && one === cell)
      if (ok || one.showsAnError) continue
      if (one !== cell) {
        const link = element("a", { href: `#${idOf(one)}`, textContent: `Cell ${one.number}` })
        cell.note.replaceChildren(link, " above has failed, so this one was not run.")
        spoken.textContent = cell.note.textContent
      } else say(cell, "The cell has failed.")
      return
    }
    if (cell.checks) say(cell, cell.live.textContent.trimEnd().split("\n").at(-1))
    else say(cell, due.length ? `Done, after ${those}.` : "Done.")
  }

  function idOf(cell) {
    return (cell.block.id ||= `cell-${cell.number}`)
  }

  async function runOne(cell, steps) {
    shown = cell
    const text = textOf(cell)
    if (cell.ran !== text) for (const one of cells.slice(cell.number)) one.ran = undefined
    clearOutput(cell)
    cell.box.classList.add("run-now")
    const sources = (cell.checks ? cells.filter(isAnswer) : [cell]).map((one) => [
      `cell ${one.number}`,
      textOf(one),
    ])
    const exercise = cell.checks && text.split('"')[1]
    const { ok } = await ask({ type: "run", sources, exercise, steps }).finally(sayIfSlow())
    cell.box.classList.remove("run-now")
    cell.ran = ok || cell.showsAnError ? text : undefined
    showButtons(cell)
    return ok
  }

  // A worker that computes answers nothing: after a while, the page says what can be done
  function sayIfSlow() {
    const sentence = () => say(running, "Still running. This may take long: Stop ends it.")
    const timer = setTimeout(sentence, 10_000)
    return () => clearTimeout(timer)
  }

  // Output, where the built one was

  function clearOutput(cell) {
    if (!cell.live) {
      cell.live = element("div", { className: "run-output" })
      if (cell.built.length) cell.built[0].before(cell.live)
      else cell.block.after(cell.live)
      for (const one of cell.built) one.remove()
    }
    forgetPictures(cell)
    cell.live.replaceChildren()
    cell.text = undefined
  }

  function forgetPictures(cell) {
    for (const picture of cell.live.querySelectorAll("img"))
      URL.revokeObjectURL(picture.src.split("#")[0])
  }

  function showOutput(cell, { kind, text }, ink) {
    if (kind === "svg") return showPicture(cell, text, ink)
    if (kind === "steps") return showLiveSteps(cell, JSON.parse(text))
    const printed = kind === "stdout" || kind === "stderr"
    if (!printed || !cell.text) {
      const block = element("div", { className: "text cell-out highlight" })
      if (kind === "error") block.classList.add("cell-error")
      const code = element("code", { tabIndex: 0 }) // a long output scrolls, also by keyboard
      block.append(element("pre", {}))
      block.firstChild.append(code)
      cell.live.append(block)
      cell.text = printed ? code : undefined
      if (!printed) return code.append(text)
    }
    if (kind === "stdout") cell.text.append(text)
    else cell.text.append(element("span", { className: "run-stderr", textContent: text }))
  }

  function showPicture(cell, svg, ink) {
    cell.text = undefined
    const number = cell.live.querySelectorAll("figure").length
    const built = textOf(cell) === cell.original ? cell.built.filter((one) => one.tagName === "FIGURE") : []
    const alt = built[number]?.querySelector("img").alt ?? "A picture that this cell has drawn"
    const dark = Object.entries(ink).reduce((text, [from, to]) => text.replaceAll(from, to), svg)
    const root = new DOMParser().parseFromString(svg, "image/svg+xml").documentElement
    const pixels = (side) => {
      const size = root.getAttribute(side) ?? ""
      return Math.round(parseFloat(size) * (size.endsWith("pt") ? 4 / 3 : 1)) || undefined
    }
    const figure = element("figure", { className: "still", id: built[number]?.id ?? "" })
    for (const [scheme, text] of Object.entries({ light: svg, dark })) {
      const url = URL.createObjectURL(new Blob([text], { type: "image/svg+xml" }))
      const picture = element("img", { className: "cell-out", alt, src: `${url}#only-${scheme}` })
      for (const side of ["width", "height"]) if (pixels(side)) picture[side] = pixels(side)
      figure.append(picture)
    }
    const caption = built[number]?.querySelector("figcaption")
    if (caption) figure.append(caption.cloneNode(true))
    cell.live.append(figure)
  }

  async function showLiveSteps(cell, board) {
    cell.text = undefined
    const box = element("div", { className: "steps" })
    cell.live.append(box)
    try {
      const { equations } = await findManifest()
      const [{ show }, answer] = [await stepper(), await fetch(new URL(equations, base))]
      const markup = await answer.json()
      for (const one of board.equations) one.markup = markup[one.tex]
      show(box, board)
    } catch {
      box.textContent = "The stepper cannot be fetched. Look after your connection, and press Step through again."
    }
  }

  function reset(cell) {
    if (shown === cell) return say(cell, "This cell is running. Wait for it, or stop it.")
    cell.editor?.destroy()
    cell.editor = undefined
    forget(cell)
    if (cell.live) {
      forgetPictures(cell)
      cell.live.replaceWith(...cell.built)
      cell.live = undefined
    }
    cell.pre.hidden = false
    showText(cell, undefined)
    say(cell, "This cell is as it was built.")
    showButtons(cell)
  }

  // The reader's text

  const KEPT = "This is your text, kept by your browser. Reset this cell brings back the original."

  function showText(cell, text) {
    cell.changed = text === cell.original ? undefined : text
    cell.code.replaceChildren(...(cell.changed === undefined ? cell.highlighted : [text]))
    if (cell.changed !== undefined) cell.note.textContent = KEPT
  }

  function keptText(cell) {
    try {
      return localStorage.getItem(cell.key) ?? undefined
    } catch {
      return undefined // storage is forbidden: then nothing was kept
    }
  }

  function keep(cell, text) {
    cell.changed = text === cell.original ? undefined : text
    try {
      if (cell.changed === undefined) localStorage.removeItem(cell.key)
      else localStorage.setItem(cell.key, text)
    } catch {
      say(
        cell,
        "Your browser does not keep this text, because its storage is full or forbidden: " +
          "it is gone when you leave the page. Copy what you need.",
      )
    }
    showButtons(cell)
  }

  function forget(cell) {
    try {
      localStorage.removeItem(cell.key)
    } catch {} // nothing was kept
  }

  async function edit(cell) {
    const verb = isAnswer(cell) ? "check" : "run"
    try {
      const { editor } = await findManifest()
      const { editText } = await import(new URL(editor, base))
      if (cell.editor) return
      cell.editor = editText({
        text: textOf(cell),
        label: `Code of cell ${cell.number}. Control and Enter ${verb} it; Escape, then Tab, leaves it.`,
        changed: (text) => keep(cell, text),
        run: () => run(isAnswer(cell) ? check : cell),
      })
      cell.pre.hidden = true
      cell.pre.before(cell.editor.dom)
      say(cell, `Ctrl+Enter ${verb}s it; Escape, then Tab, leaves the editor.`)
      showButtons(cell)
      cell.editor.focus()
    } catch (error) {
      say(
        cell,
        whyNot() ??
          `The editor cannot be fetched (${error.message}). ` +
            "Look after your connection, and press Edit again.",
      )
    }
  }

  // Steps that were recorded: a stepper in place of their lines (simplegrad/tools/stepper.js)

  async function stepper() {
    const { stepper: files } = await findManifest()
    const [code, style] = files.map((file) => new URL(file, base).href)
    if (!document.querySelector(`link[href="${style}"]`))
      document.head.append(element("link", { rel: "stylesheet", href: style }))
    await import(code)
    return window.simplegradSteps
  }

  async function showSteps(box) {
    try {
      const answer = await fetch(box.dataset.steps)
      if (!answer.ok) throw new Problem(`The file ${answer.url} is missing on the server.`)
      const [board, { show }] = [await answer.json(), await stepper()]
      show(box, board)
    } catch (error) {
      const why = error instanceof Problem ? error.message : "Look after your connection."
      const what = "To go through these steps, load the page again: they could not be fetched."
      box.append(element("p", { className: "run-note", textContent: `${what} ${whyNot() ?? why}` }))
    }
  }

  const seenSoon = new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries) {
        if (!isIntersecting) continue
        seenSoon.unobserve(target)
        showSteps(target)
      }
    },
    { rootMargin: "50%" },
  )
  for (const box of document.querySelectorAll("article [data-steps]")) seenSoon.observe(box)

  document.querySelector("article")?.append(spoken)
  cells.forEach(addBar)
})()
