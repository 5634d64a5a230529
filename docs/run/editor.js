// The editor of a cell: CodeMirror with Python, bundled when the site is built (docs/hooks/run_here.py)
// and loaded with the first Edit. Its colours are those of the page's code.
import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands"
import { python } from "@codemirror/lang-python"
import {
  bracketMatching,
  HighlightStyle,
  indentOnInput,
  indentUnit,
  syntaxHighlighting,
} from "@codemirror/language"
import { EditorState } from "@codemirror/state"
import { drawSelection, EditorView, keymap } from "@codemirror/view"
import { tags } from "@lezer/highlight"

const colour = (name) => ({ color: `var(--md-code-hl-${name}-color)` })
const colours = HighlightStyle.define([
  { tag: [tags.keyword, tags.bool, tags.null], ...colour("keyword") },
  { tag: [tags.string, tags.special(tags.string)], ...colour("string") },
  { tag: tags.number, ...colour("number") },
  { tag: tags.comment, ...colour("comment") },
  { tag: [tags.operator, tags.operatorKeyword], ...colour("operator") },
  { tag: [tags.punctuation, tags.bracket], ...colour("punctuation") },
  { tag: tags.definition(tags.variableName), ...colour("name") },
  { tag: tags.function(tags.definition(tags.variableName)), ...colour("function") },
])

export function editText({ text, label, changed, run }) {
  const act = (action) => () => {
    action()
    return true
  }
  const runs = ["Mod-Enter", "Ctrl-Enter", "Shift-Enter"].map((key) => ({ key, run: act(run) }))
  const view = new EditorView({
    doc: text,
    extensions: [
      keymap.of([...runs, indentWithTab, ...defaultKeymap, ...historyKeymap]),
      history(),
      python(),
      indentUnit.of("    "),
      EditorState.tabSize.of(4),
      indentOnInput(),
      bracketMatching(),
      drawSelection(),
      syntaxHighlighting(colours),
      EditorView.contentAttributes.of({ "aria-label": label, spellcheck: "false" }),
      EditorView.updateListener.of((update) => {
        if (update.docChanged) changed(update.state.doc.toString())
      }),
    ],
  })
  return { dom: view.dom, focus: () => view.focus(), destroy: () => view.destroy() }
}
