const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 160, GAP = 0.2, BAR_HEIGHT = 12;

/** @param {string} name @param {Record<string, string | number>} attributes */
function shape(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  return made;
}

/** Make room for a chart as wide as its place on the page. @param {any} svg @returns {number} its width */
function clear(svg) {
  const width = svg.clientWidth || 600;
  svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
  svg.replaceChildren();
  return width;
}

/**
 * Draw a pair of bars for each step: one stands on a line, and one hangs from it.
 * @param {any} svg @param {number[]} up @param {number[]} down @param {string[]} titles shown under the pointer, one for each
 */
export function drawBars(svg, up, down, titles) {
  const width = clear(svg), most = Math.max(0, ...up), least = Math.max(0, ...down);
  const scale = (HEIGHT - 2) / Math.max(most + least, 1), ground = 1 + most * scale, wide = width / Math.max(up.length, 1);
  up.forEach((value, i) => {
    const step = shape("g", {}), x = (i + GAP / 2) * wide;
    const bar = (name, y, height) => shape("rect", { class: name, x: x.toFixed(1), y: y.toFixed(1), width: (wide * (1 - GAP)).toFixed(1), height: height.toFixed(1) });
    step.append(shape("title", {}), bar("up", ground - value * scale, value * scale), bar("down", ground, down[i] * scale));
    step.firstChild.textContent = titles[i];
    svg.append(step);
  });
  svg.append(shape("line", { class: "ground", x1: 0, x2: width, y1: ground.toFixed(1), y2: ground.toFixed(1) }));
}

/**
 * Draw lines through the steps that have a value; one between two steps without a value is a dot.
 * @param {any} svg @param {{name: string, values: (number | null)[]}[]} lines
 */
export function drawLines(svg, lines) {
  const width = clear(svg), all = lines.flatMap((line) => line.values.filter((value) => value != null));
  const top = Math.max(1, ...all), count = lines[0]?.values.length ?? 0, wide = width / Math.max(count, 1);
  for (const { name, values } of lines) {
    let path = "";
    values.forEach((value, i) => {
      if (value == null) return;
      const x = ((i + 0.5) * wide).toFixed(1), y = (HEIGHT - 4 - value / top * (HEIGHT - 10)).toFixed(1);
      path += `${i && values[i - 1] != null ? "L" : "M"}${x},${y}`;
      svg.append(shape("circle", { class: name, cx: x, cy: y, r: 2.5 }));
    });
    svg.prepend(shape("path", { class: name, d: path || "M0,0" }));
  }
  svg.append(shape("line", { class: "ground", x1: 0, x2: width, y1: HEIGHT - 1, y2: HEIGHT - 1 }));
}

/** Return a part of a whole as a bar beside its figure. @param {number | null} part from 0 to 1 */
export function partBar(part) {
  const svg = shape("svg", { class: "part", viewBox: `0 0 100 ${BAR_HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" });
  svg.append(shape("rect", { class: "up", x: 0, y: 0, width: (100 * Math.min(Math.max(part ?? 0, 0), 1)).toFixed(1), height: BAR_HEIGHT }));
  return svg;
}
