// The stepper: shows a storyboard (storyboard.py says what is in it) as a debugger does, forward and
// back. It knows no equation and computes nothing: all that it shows was written down before.
window.simplegradSteps = (() => {
  const KEYS = { ArrowRight: "into", s: "into", n: "over", r: "out", ArrowLeft: "back", b: "back" }
  const WORDS = { line: "", return: "returns", exception: "raises" }
  const MOVES = {
    into: { text: "Into", title: "To the next step, also into a function (s or →)" },
    over: { text: "Over", title: "To the next line here, over the functions that it calls (n)" },
    out: { text: "Out", title: "To where this function has returned (r)" },
    back: { text: "Back", title: "To the step before (b or ←)" },
  }
  let count = 0

  function make(name, properties = {}, ...children) {
    const made = Object.assign(document.createElement(name), properties)
    made.append(...children)
    return made
  }

  // What each step shows: the functions that run, outermost first, each with its variables
  function movie(board) {
    const variables = new Map()
    const rows = new Map()
    return board.steps.map(([activation, line, event, value, changes, newRows]) => {
      const changed = new Set()
      for (const [of, name, number] of changes) {
        const mine = new Map(variables.get(of))
        if (number < 0) mine.delete(name)
        else mine.set(name, number)
        variables.set(of, mine)
        changed.add(`${of} ${name}`)
      }
      for (const [node, row, text] of newRows) rows.set(`${node} ${row}`, text)
      const stack = []
      for (let one = activation; one >= 0; one = board.activations[one][1]) stack.unshift(one)
      const frames = stack.map((one) => ({ activation: one, variables: variables.get(one) ?? new Map() }))
      return { activation, line, event, value, frames, changed, rows: new Map(rows) }
    })
  }

  function show(box, board) {
    const id = `steps-${++count}`
    const steps = movie(board)
    const functionOf = (activation) => board.functions[board.activations[activation][0]]
    if (!steps.length) {
      box.replaceChildren(
        make("p", {
          textContent:
            `${board.call} ran no line that can be shown: it is written in C, or its source is not ` +
            "there. Give a function of yours that calls it.",
        }),
      )
      return
    }
    // Where each activation is in each step: the line of its last step
    const lineOf = (at, activation) => {
      for (let k = at; k >= 0; k--) if (steps[k].activation === activation) return steps[k].line
    }
    let at = 0
    let frame = 0 // which of the functions is looked into

    // The parts

    const bar = make("div", { className: "steps-bar", role: "group", ariaLabel: "Steps" })
    const buttons = {}
    for (const [move, { text, title }] of Object.entries(MOVES)) {
      buttons[move] = make("button", { type: "button", textContent: text, title })
      buttons[move].addEventListener("click", () => go(target(move)))
      bar.append(buttons[move])
    }
    const slider = make("input", { type: "range", min: 0, max: steps.length - 1, value: 0, ariaLabel: "Step" })
    slider.addEventListener("input", () => go(Number(slider.value)))
    const place = make("span", { className: "steps-place" })
    const jump = make("select", { ariaLabel: "Jump to" })
    jump.append(make("option", { value: "", textContent: "Jump to …" }))
    for (const [label, options] of [
      ["Equations", equationStops()],
      ["Functions", functionStops()],
    ]) {
      if (!options.length) continue
      const group = make("optgroup", { label })
      for (const [value, textContent] of options) group.append(make("option", { value, textContent }))
      jump.append(group)
    }
    jump.addEventListener("change", () => {
      if (jump.value) go(Number(jump.value))
      jump.value = ""
    })
    bar.append(slider, place, jump)

    const said = make("p", { className: "steps-said", role: "status" })
    const title = make("p", { className: "steps-file" })
    const source = make("div", { className: "steps-source", role: "listbox", tabIndex: 0 })
    const equation = make("div", { className: "steps-equation" })
    const stack = make("ol", { className: "steps-stack" })
    const group = { role: "group", tabIndex: 0 }
    const table = make("div", { className: "steps-variables", ariaLabel: "Variables", ...group })
    const graph = make("div", { className: "steps-graph", ariaLabel: "Graph", ...group })
    const heading = (textContent) => make("p", { className: "steps-heading", textContent })
    const body = make(
      "div",
      { className: "steps-body" },
      make("div", {}, title, source, equation),
      make("div", {}, heading("Call stack, innermost first"), stack),
      make("div", {}, heading("Variables"), table),
    )
    box.replaceChildren(bar, said, body)
    if (board.graph.svg || board.graph.sentence) box.append(heading("Graph"), graph)
    if (board.graph.svg) graph.innerHTML = board.graph.svg
    else graph.textContent = board.graph.sentence ?? ""
    Object.assign(box, { role: "region", ariaLabel: `${board.call}, step by step` })

    function equationStops() {
      const stops = new Map() // the first line of each, in each run of its function
      steps.forEach(({ activation, line, event }, k) => {
        const number = functionOf(activation).equations[line]
        const key = `${activation} ${number}`
        if (number !== undefined && event === "line" && !stops.has(key))
          stops.set(key, [k, `${board.equations[number].text}   step ${k + 1}`])
      })
      return [...stops.values()]
    }

    function functionStops() {
      const stops = new Map()
      steps.forEach(({ activation }, k) => {
        const { name } = functionOf(activation)
        const isNamed = !name.startsWith("<")
        if (isNamed && !stops.has(activation)) stops.set(activation, [k, `${name}   step ${k + 1}`])
      })
      return [...stops.values()]
    }

    // Going on

    function target(move) {
      const depth = (k) => steps[k].frames.length
      if (move === "back") return at - 1
      if (move === "into") return at + 1
      const most = depth(at) - (move === "out" ? 1 : 0)
      for (let k = at + 1; k < steps.length; k++) if (depth(k) <= most) return k
      return steps.length - 1
    }

    function go(k) {
      at = Math.max(0, Math.min(k, steps.length - 1))
      frame = steps[at].frames.length - 1
      render()
    }

    box.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return
      if (["SELECT", "INPUT"].includes(event.target.tagName)) return
      const move = KEYS[event.key]
      if (move) go(target(move))
      else if (event.key === "Home") go(0)
      else if (event.key === "End") go(steps.length - 1)
      else return
      event.preventDefault()
      event.stopPropagation() // the page may have keys of its own
    })

    // Jumping to a line: by a click, or by its arrow keys and Enter

    let marked // the line that the arrow keys have reached
    source.addEventListener("click", (event) => {
      const line = event.target.closest?.(".steps-ran")
      if (line) jumpTo(Number(line.dataset.line))
    })
    source.addEventListener("keydown", (event) => {
      const ran = [...source.querySelectorAll(".steps-ran")]
      const index = ran.indexOf(source.querySelector(".steps-marked") ?? source.querySelector(".steps-here"))
      const next = { ArrowDown: index + 1, ArrowUp: index - 1 }[event.key]
      if (next !== undefined) mark(ran[Math.max(0, Math.min(next, ran.length - 1))])
      else if (event.key === "Enter" && marked) jumpTo(marked)
      else return
      event.preventDefault()
    })

    function mark(line) {
      source.querySelector(".steps-marked")?.classList.remove("steps-marked")
      marked = line && Number(line.dataset.line)
      if (!line) return source.removeAttribute("aria-activedescendant")
      line.classList.add("steps-marked")
      source.setAttribute("aria-activedescendant", line.id)
      scrollTo(line)
    }

    function jumpTo(line) {
      const of = board.activations[steps[at].frames[frame].activation][0]
      const isThere = (k) =>
        board.activations[steps[k].activation][0] === of && steps[k].line === line && steps[k].event === "line"
      for (let away = 1; away <= steps.length; away++) {
        const k = (at + away) % steps.length // the next time, or from the start
        if (isThere(k)) return go(k)
      }
    }

    // What is seen

    function scrollTo(line) {
      const top = line.offsetTop // from the start of the source
      if (top < source.scrollTop || top + line.offsetHeight > source.scrollTop + source.clientHeight)
        source.scrollTop = top - source.clientHeight / 2
    }

    let drawn // the function whose source is there
    function renderSource(of, line, isInnermost) {
      if (drawn !== of) {
        drawn = of
        const ran = new Set()
        for (const step of steps)
          if (functionOf(step.activation) === of && step.event === "line") ran.add(step.line)
        title.textContent = `${of.name} in ${of.file}`
        source.ariaLabel = `Source of ${of.name}; Enter jumps to a line`
        source.replaceChildren(
          ...of.source.map((text, index) => {
            const number = of.first + index
            const one = make("div", { className: "steps-line", id: `${id}-line-${number}`, role: "option" })
            one.dataset.line = number
            if (ran.has(number)) one.classList.add("steps-ran")
            else one.ariaDisabled = "true"
            one.append(make("span", { className: "steps-number", textContent: number }), make("code", { textContent: text || " " }))
            return one
          }),
        )
      }
      mark(undefined)
      for (const one of source.children) {
        const isHere = Number(one.dataset.line) === line
        one.classList.toggle("steps-here", isHere)
        one.classList.toggle("steps-waits", isHere && !isInnermost)
        one.ariaSelected = isHere
        if (isHere) scrollTo(one)
      }
    }

    function renderEquation(of, line) {
      const one = board.equations[of.equations[line]]
      if (!one) equation.replaceChildren()
      else if (one.markup) equation.innerHTML = one.markup // made of the library's own docstrings
      else equation.textContent = one.text
    }

    function renderStack({ frames }) {
      const entries = frames.map(({ activation }, number) => {
        const button = make("button", {
          type: "button",
          textContent: `${functionOf(activation).name}, line ${lineOf(at, activation)}`,
        })
        if (number === frame) button.ariaCurrent = "true"
        button.addEventListener("click", () => {
          frame = number
          render()
          stack.querySelector("[aria-current]").focus()
        })
        return make("li", {}, button)
      })
      stack.replaceChildren(...entries.reverse())
    }

    function shownValue(number) {
      const [type, text] = board.values[number]
      const value = make("td", {}, make("pre", { textContent: text }))
      if (type) value.prepend(make("span", { className: "steps-type", textContent: type }))
      return value
    }

    function renderVariables(step) {
      const { activation, variables } = step.frames[frame]
      const rows = [...variables].map(([name, number]) => {
        const row = make("tr", {}, make("th", { scope: "row", textContent: name }), shownValue(number))
        if (step.changed.has(`${activation} ${name}`)) {
          row.className = "steps-changed"
          row.firstChild.append(make("span", { className: "steps-hidden", textContent: " (changed)" }))
        }
        return row
      })
      const isLast = frame === step.frames.length - 1
      if (isLast && step.event !== "line") {
        const head = make("th", { scope: "row", textContent: WORDS[step.event] })
        rows.push(make("tr", { className: `steps-${step.event}` }, head, shownValue(step.value)))
      }
      table.replaceChildren(
        rows.length ? make("table", { className: "steps-table" }, make("tbody", {}, ...rows)) : make("p", { textContent: "none yet" }),
      )
    }

    function renderGraph(step) {
      const lit = new Set()
      for (const number of step.frames.at(-1).variables.values()) {
        const tensor = board.tensors[number]
        if (tensor !== undefined) lit.add(board.graph.tensors.indexOf(tensor))
      }
      const isBorn = (node) => board.graph.born[node] <= at
      for (const node of graph.querySelectorAll("[data-node]")) {
        const number = Number(node.dataset.node)
        node.style.visibility = isBorn(number) ? "" : "hidden"
        node.classList.toggle("steps-lit", lit.has(number))
        for (const text of node.querySelectorAll("text")) {
          const row = text.dataset.row ?? /^(value|grad) /.exec(text.textContent)?.[1]
          if (!row) continue
          text.dataset.row = row
          text.textContent = step.rows.get(`${number} ${row}`) ?? ""
        }
      }
      for (const edge of graph.querySelectorAll("[data-edge]"))
        edge.style.visibility = edge.dataset.edge.split(" ").every((one) => isBorn(Number(one))) ? "" : "hidden"
    }

    function sentence(step) {
      const of = functionOf(step.activation)
      const number = of.equations[step.line]
      const parts = [`${of.name}, line ${step.line}`]
      if (step.event !== "line") parts[0] += ` ${WORDS[step.event]} ${board.values[step.value][1]}`
      else if (number !== undefined) parts.push(board.equations[number].text)
      if (at === steps.length - 1) parts.push(board.end)
      return parts.join(": ")
    }

    function render() {
      const step = steps[at]
      const { activation } = step.frames[frame]
      const line = lineOf(at, activation)
      renderSource(functionOf(activation), line, frame === step.frames.length - 1)
      renderEquation(functionOf(activation), line)
      renderStack(step)
      renderVariables(step)
      if (board.graph.svg) renderGraph(step)
      // Of the slider, its place is spoken: a sentence for each that it passes would be too much
      said.ariaLive = document.activeElement === slider ? "off" : "polite"
      said.textContent = sentence(step)
      said.classList.toggle("steps-exception", step.event === "exception")
      slider.value = at
      slider.ariaValueText = `step ${at + 1} of ${steps.length}`
      place.textContent = `${at + 1} / ${steps.length}`
      for (const [move, button] of Object.entries(buttons)) // which keeps the focus
        button.ariaDisabled = at === (move === "back" ? 0 : steps.length - 1)
    }

    go(0)
  }

  return { show }
})()
