// Characters that would do something rather than be seen: control characters, and what turns text around or hides it.
const UNSEEN = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu;
const PICTURES = 0x2400; // ␀ and those after it
const DELETE = 0x7f;

/** [{start, end, sign}]: where such characters stand in a text, and what is to be seen in their place. */
export function unseen(text) {
  return Array.from(text.matchAll(UNSEEN), ({ 0: character, index }) => ({
    start: index,
    end: index + character.length,
    sign: signOf(character.codePointAt(0)),
  }));
}

function signOf(code) {
  if (code < 0x20) return String.fromCharCode(PICTURES + code);
  if (code === DELETE) return "\u2421";
  return `<${code.toString(16).toUpperCase().padStart(4, "0")}>`;
}
