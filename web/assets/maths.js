// Maths in Markdown: TeX between \( \), \[ \], $$ or $, or in an environment, as MathML. What typesets it is loaded with
// the first formula; until then, and where it is no TeX, the source is shown as it was written.
"use strict";

(() => {
  const { escape } = Hopstream.dom;
  const SCRIPT = "assets/vendor/temml.min.js";
  const LONGEST_CHARS = 10_000;
  const DISPLAYED = /^(?:\\\[([\s\S]+?)\\\]|\$\$([\s\S]+?)\$\$|(\\begin\{([a-zA-Z]+\*?)\}[\s\S]+?\\end\{\4\}))/;
  // No price: nothing blank behind the first sign or before the last one, and no digit after that.
  const INLINE = /^(?:\\\(([\s\S]+?)\\\)|\$(?![\s$])((?:\\[\s\S]|[^$\\\n])*?(?:\\[^\s]|[^\s$\\]))\$(?![\d$]))/;
  const SIGN = /[\\^_{}=+<>|]/; // between single dollars, words without any of these are words
  const START = /\\[([]|\$|\\begin\{/;
  const STYLE = / style="[^"]*"/g; // the page allows none, and each would be a complaint in the console
  const RULES = {
    USE_PROFILES: { mathMl: true },
    ADD_TAGS: ["semantics", "annotation"],
    FORBID_ATTR: ["style", "href"],
    RETURN_DOM_FRAGMENT: true,
  };
  let loading = null;

  function token(match, isDisplayed) {
    const tex = match.slice(1).find((part) => part !== undefined);
    return { type: "maths", raw: match[0], tex, isDisplayed };
  }

  const block = {
    name: "mathsBlock",
    level: "block",
    start: (text) => text.match(/^ {0,3}(?:\\\[|\$\$|\\begin\{)/m)?.index,
    tokenizer(text) {
      const indent = /^ {0,3}/.exec(text)[0];
      const match = DISPLAYED.exec(text.slice(indent.length));
      if (!match) return undefined;
      const rest = /^[ \t]*(?:\n+|$)/.exec(text.slice(indent.length + match[0].length));
      return rest ? { ...token(match, true), type: "mathsBlock", raw: indent + match[0] + rest[0] } : undefined;
    },
    renderer: ({ tex }) => `<p>${source(tex, true)}</p>\n`,
  };
  const inline = {
    name: "maths",
    level: "inline",
    start: (text) => text.match(START)?.index,
    tokenizer(text) {
      const displayed = DISPLAYED.exec(text);
      if (displayed) return token(displayed, true);
      const match = INLINE.exec(text);
      const isWords = match?.[2] && /\s/.test(match[2]) && !SIGN.test(match[2]);
      return match && !isWords ? token(match, false) : undefined;
    },
    renderer: ({ tex, isDisplayed }) => source(tex, isDisplayed),
  };

  const source = (tex, isDisplayed) => `<code class="${isDisplayed ? "maths displayed" : "maths"}">${escape(tex)}</code>`;

  /** Typesets the formulas of an element or fragment, now or as soon as that can be done. */
  function typeset(root) {
    const formulas = root.querySelectorAll("code.maths:not(.as-written)");
    if (formulas.length === 0) return;
    if (!window.temml) return load();
    for (const formula of formulas) {
      const { textContent: tex } = formula;
      try {
        if (tex.length > LONGEST_CHARS) throw new RangeError("the formula is too long");
        const displayMode = formula.classList.contains("displayed");
        const markup = temml.renderToString(tex, { displayMode, annotate: true, throwOnError: true });
        formula.replaceWith(DOMPurify.sanitize(markup.replace(STYLE, ""), RULES));
      } catch {
        formula.classList.add("as-written");
      }
    }
  }

  function load() {
    loading ??= new Promise((resolve, reject) => {
      const script = document.createElement("script");
      Object.assign(script, { src: SCRIPT, onload: resolve, onerror: reject });
      document.head.append(script);
    }).then(
      () => typeset(document),
      () => (loading = null), // shown as written until the next formula
    );
  }

  Hopstream.maths = { extensions: [block, inline], typeset };
})();
