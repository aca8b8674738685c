// The gaps between chunks as a line: even is flat, a pause is a peak.
"use strict";

(() => {
  const WIDTH = 80;
  const HEIGHT = 16;
  const LEAST_TOP_MS = 100; // what is lower looks even, and is

  /** Draws into an SVG path whose viewBox is 80 by 16. Returns whether there is anything to see. */
  function drawGaps(path, gaps) {
    const top = Math.max(LEAST_TOP_MS, ...gaps);
    const step = WIDTH / Math.max(1, gaps.length - 1);
    const points = gaps.map((gap, index) => `${(index * step).toFixed(1)} ${(HEIGHT - 1 - (gap / top) * (HEIGHT - 2)).toFixed(1)}`);
    path.setAttribute("d", points.length > 1 ? `M${points.join("L")}` : "");
    return points.length > 1;
  }

  Hopstream.drawGaps = drawGaps;
})();
