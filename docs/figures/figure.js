// Figures that move. The build has written each part of a picture for each position of the controls
// that it depends on; this looks it up and puts it there. It computes nothing, and draws nothing.
// The data come when a figure is near what is seen; until then, and without them, it stands still.
;(() => {
  function fetchData(figure) {
    const script = document.createElement("script") // not fetch(): in a folder only this works
    script.onload = () => (script.data ? start(figure, script.data) : fail(figure))
    script.onerror = () => fail(figure)
    script.src = figure.dataset.src
    figure.append(script)
  }

  function fail(figure) {
    for (const one of figure.querySelectorAll("[data-control], .figure-button")) one.remove()
    figure.querySelector(".figure-missing").hidden = false
  }

  function start(figure, { strings, parts }) {
    const controls = [...figure.querySelectorAll("[data-control]")]
    const moving = [...figure.querySelectorAll("[data-moves]")].map((element) => ({
      element,
      ...parts[element.dataset.moves],
    }))

    function show() {
      const places = controls.map((control) => Number(control.value))
      for (const part of moving) {
        const index = part.by.reduce((sum, [control, stride]) => sum + places[control] * stride, 0)
        const string = strings[part.at[index]]
        if (string === part.shown) continue
        part.shown = string
        if (part.sets) part.element.setAttribute(part.sets, string)
        else part.element.innerHTML = string
      }
    }

    for (const control of controls) control.addEventListener("input", show)
    figure.querySelectorAll("[data-player]").forEach(addButtons)
    figure.classList.add("figure-moves")
    show() // a browser may have kept the positions of an earlier visit
  }

  // Back, Next and Play of a slider: they move it, as a reader does
  function addButtons(player) {
    const slider = player.querySelector("input")
    const [back, next, play] = player.querySelectorAll("button")
    let timer
    const move = (steps) => {
      slider.stepUp(steps)
      slider.dispatchEvent(new Event("input"))
    }
    const stop = () => {
      timer = clearInterval(timer)
      play.textContent = "Play"
    }
    const tick = () => (slider.value === slider.max ? stop() : move(1))
    const start = () => {
      if (slider.value === slider.max) move(-slider.max)
      timer = setInterval(tick, 1000)
      play.textContent = "Pause"
    }
    back.onclick = () => move(-1)
    next.onclick = () => move(1)
    play.onclick = () => (timer ? stop() : start())
  }

  const observer = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting) continue
        observer.unobserve(target)
        fetchData(target)
      }
    },
    { rootMargin: "100%" },
  )
  for (const figure of document.querySelectorAll(".figure")) observer.observe(figure)
})()
