// The tools of a stream as a list: name, arguments, result.
"use strict";

(() => {
  const { clone, setText } = Hopstream.dom;

  /** Adds and changes what is new: what is open or selected stays so. */
  function showTools(list, { list: calls, count }) {
    const first = count - calls.length;
    for (const shown of [...list.children]) if (Number(shown.dataset.number) < first || Number(shown.dataset.number) >= count) shown.remove();
    calls.forEach((call, index) => {
      const number = first + index;
      const shown = list.querySelector(`[data-number="${number}"]`) ?? add(list, number);
      showCall(shown, call);
    });
  }

  function add(list, number) {
    const item = clone("tool-template");
    item.dataset.number = number;
    list.append(item);
    return item;
  }

  function showCall(item, { name, arguments: given, result, isError }) {
    const [title, sent, came] = item.children;
    setText(title, name ?? "tool");
    setText(sent, marked(given));
    came.hidden = result === null;
    came.dataset.failed = String(isError);
    if (result) setText(came, `${isError ? "Failed: " : ""}${marked(result)}`);
  }

  const marked = (tail) => (tail.start > 0 ? "… " : "") + tail.text;

  Hopstream.showTools = showTools;
})();
