// What an answer is to be, in the words of the mock upstream: mock?tokens=30&hold_after=5&id=NAME.

export interface Script {
  tokens: number;
  holdAfter: number;
  id: string;
  /** Fails after its tokens. */
  isFailing: boolean;
}

export function scriptOf(model: unknown): Script {
  const words = new URLSearchParams(String(model ?? "").split("?")[1]);
  return {
    tokens: Number(words.get("tokens") ?? 30),
    holdAfter: Number(words.get("hold_after") ?? Infinity),
    id: words.get("id") ?? "",
    isFailing: words.has("status"),
  };
}

/** The mock upstream's text. */
export function numbered(tokens: number): string {
  return Array.from({ length: tokens }, (_, index) => token(index)).join("");
}

export function token(index: number): string {
  return `t${String(index).padStart(6, "0")} `;
}
