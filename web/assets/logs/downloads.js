// Downloads of what the filters let through, made by the gateway: also of what this page has not loaded.
import { zoneName } from "./text/times.js";

const { asSentence, byId } = Hopstream.dom;

/** `isUtc()`: in which zone a text's times are. */
export function setUpDownloads(gateway, filters, isUtc) {
  for (const button of document.querySelectorAll("[data-format]")) {
    button.addEventListener("click", async () => {
      byId("download-menu").open = false;
      byId("download-problem").hidden = true;
      const { format } = button.dataset;
      try {
        save(await gateway.download({ ...filters.query, format, zone: zoneName(isUtc()) }), format);
      } catch (error) {
        byId("download-menu").open = true;
        byId("download-problem").textContent = `The download failed. ${asSentence(error.message)}`;
        byId("download-problem").hidden = false;
      }
    });
  }
}

function save({ url, blob }, format) {
  const link = document.createElement("a");
  link.href = blob ? URL.createObjectURL(blob) : url;
  link.download = `logs-${new Date().toISOString().replace(/[:.]/g, "-").slice(0, 19)}.${format === "text" ? "log" : "jsonl"}`;
  link.click();
  if (blob) setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // the browser may begin late
}
