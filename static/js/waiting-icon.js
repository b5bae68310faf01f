const SIZE = 64, ROUND = 14, SIGNS_MAX = 3;
/** The page's own icon, and what stands on it now. */
const link = /** @type {HTMLLinkElement} */ (document.querySelector("link[rel=icon]")), plain = link?.href;
let shown = "";

/** Show a place, or a sign, in the tab; "" for the page's own icon. @param {string} text */
export function mark(text) {
  const short = text.length > SIGNS_MAX ? "…" : text;
  if (short === shown || !link) return;
  shown = short;
  const canvas = Object.assign(document.createElement("canvas"), { width: SIZE, height: SIZE }), pen = canvas.getContext("2d");
  if (!short || !pen) { link.href = plain; return; }
  const style = getComputedStyle(document.documentElement);
  pen.fillStyle = style.getPropertyValue("--accent");
  pen.beginPath();
  pen.roundRect(0, 0, SIZE, SIZE, ROUND);
  pen.fill();
  pen.fillStyle = style.getPropertyValue("--on-accent");
  pen.font = `bold ${short.length > 2 ? 32 : 44}px system-ui, sans-serif`;
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  pen.fillText(short, SIZE / 2, SIZE / 2 + 3);
  link.href = canvas.toDataURL();
}
