// Markdown to safe DOM. A model's answer is foreign text: raw HTML in it is shown as text, whatever comes out is
// sanitised all the same, and nothing in it makes the browser call out by itself.
"use strict";

(() => {
  const { maths } = Hopstream;
  const { clone, escape } = Hopstream.dom;
  const HIGHLIGHTED_CHARS = 60_000; // beyond that highlighting would hold the page up
  const HARMLESS_HTML = /^<\/?(?:br|kbd|mark|sub|sup|u)\s*\/?>$/i;
  const RULES = {
    ALLOWED_TAGS: [
      ..."a blockquote br code del em h1 h2 h3 h4 h5 h6 hr kbd li mark ol p pre span strong sub sup".split(" "),
      ..."table tbody td th thead tr u ul".split(" "),
    ],
    ALLOWED_ATTR: ["align", "class", "href", "start", "title"],
    ALLOWED_URI_REGEXP: /^(?:https?|mailto):/i,
    ADD_URI_SAFE_ATTR: ["align", "start"], // no addresses: the pattern is not for them
    ALLOW_ARIA_ATTR: false,
    ALLOW_DATA_ATTR: false,
    RETURN_DOM_FRAGMENT: true,
  };

  const renderer = {
    html: ({ text, block }) => (HARMLESS_HTML.test(text.trim()) ? text : block ? `<p>${escape(text)}</p>` : escape(text)),
    br: () => "<br>\n",
    checkbox: ({ checked }) => (checked ? "☑ " : "☐ "),
    image({ href, text }) {
      return `<a href="${escape(href)}">${escape(text || "image")}</a>`;
    },
    code({ text, lang }) {
      const language = /^[\w+#.-]+/.exec(lang ?? "")?.[0] ?? "";
      return `<pre><code class="language-${escape(language)}">${escape(text)}\n</code></pre>\n`;
    },
  };
  const tokenizer = {
    /** Two tildes strike a text out. One says "about", or that a digit goes down; false would be GFM's own rule. */
    del(text) {
      const match = /^~~(?=[^\s~])((?:\\[\s\S]|[^\\])*?[^\s~\\])~~(?=[^~]|$)/.exec(text);
      return match ? { type: "del", raw: match[0], text: match[1], tokens: this.lexer.inlineTokens(match[1]) } : undefined;
    },
  };
  const parser = new marked.Marked({ gfm: true, breaks: true, renderer, tokenizer, extensions: maths.extensions });

  /** Block tokens; the sum of their `raw` is the text. */
  function lex(text) {
    return parser.lexer(text);
  }

  /** The DOM of block tokens, as a fragment. Code is highlighted only where it is finished: while it grows its colours would flicker. */
  function render(tokens, { highlighted }) {
    const fragment = DOMPurify.sanitize(parser.parser(tokens), RULES);
    for (const element of fragment.querySelectorAll("[class]:not(code)")) element.removeAttribute("class");
    maths.typeset(fragment);
    for (const link of fragment.querySelectorAll("a")) guardLink(link);
    for (const item of fragment.querySelectorAll("li")) item.classList.toggle("task", /^\s*[☑☐] /.test(item.textContent));
    for (const table of fragment.querySelectorAll("table")) wrap(table, "table-scroll", "Table");
    for (const code of fragment.querySelectorAll("pre > code")) dressCode(code, highlighted);
    return fragment;
  }

  function guardLink(link) {
    link.target = "_blank";
    link.rel = "noopener noreferrer nofollow";
  }

  /** What is wider than the page scrolls by itself, also by keyboard. */
  function wrap(element, className, label) {
    const box = document.createElement("div");
    box.className = className;
    element.replaceWith(box);
    box.append(element);
    box.tabIndex = 0;
    box.setAttribute("role", "group");
    box.setAttribute("aria-label", label);
  }

  function dressCode(code, highlighted) {
    const language = /^language-(.+)$/.exec(code.className)?.[1] ?? "";
    const pre = code.parentElement;
    const block = document.createElement("div");
    block.className = "code-block";
    const bar = clone("code-template");
    bar.dataset.language = language || "text";
    pre.replaceWith(block);
    block.append(bar, pre);
    pre.tabIndex = 0;
    code.className = "hljs";
    if (highlighted && hljs.getLanguage(language) && code.textContent.length <= HIGHLIGHTED_CHARS) {
      const { value } = hljs.highlight(code.textContent, { language, ignoreIllegals: true });
      code.replaceChildren(DOMPurify.sanitize(value, { ...RULES, ALLOWED_TAGS: ["span"], ALLOWED_ATTR: ["class"] }));
    }
  }

  Hopstream.markdown = { lex, render };
})();
