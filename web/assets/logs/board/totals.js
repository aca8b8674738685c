// Tokens, speeds and times to the first token by model, as the gateway sums them up; asked for while they are seen.
const { byId } = Hopstream.dom;
const MINUTES = 60;
const AGAIN_MS = 10_000;
const number = new Intl.NumberFormat("en");

export class Totals {
  #gateway;
  #isAsking = false;

  constructor(gateway) {
    this.#gateway = gateway;
    setInterval(() => this.refresh(), AGAIN_MS);
  }

  async refresh() {
    if (document.hidden || byId("figures").hidden || this.#isAsking) return;
    this.#isAsking = true;
    try {
      this.#show((await this.#gateway.totals(MINUTES)).models);
    } catch {
      // the banner says that the gateway is away; these figures are of the last minutes still
    } finally {
      this.#isAsking = false;
    }
  }

  #show(models) {
    byId("no-totals").hidden = models.length > 0;
    byId("totals").closest("table").hidden = models.length === 0;
    byId("totals").replaceChildren(...models.map(row));
  }
}

function row(totals) {
  const element = document.createElement("tr");
  const name = document.createElement("th");
  name.scope = "row";
  name.append(Object.assign(document.createElement("bdi"), { textContent: totals.model }));
  const cells = [
    whole(totals.turns),
    whole(totals.input_tokens),
    whole(totals.output_tokens),
    isNumber(totals.tokens_per_second) ? totals.tokens_per_second.toFixed(1) : "-",
    isNumber(totals.first_token_seconds) ? `${totals.first_token_seconds.toFixed(2)} s` : "-",
  ];
  element.append(name, ...cells.map((text) => Object.assign(document.createElement("td"), { textContent: text })));
  return element;
}

function whole(value) {
  return isNumber(value) ? number.format(value) : "-";
}

function isNumber(value) {
  return typeof value === "number" && Number.isFinite(value);
}
