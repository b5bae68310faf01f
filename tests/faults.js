// A function that tells in a few words each what a page has to keep and does not. Text for screen readers alone
// is hidden on purpose, and what scrolls may reach beyond its box.
() => {
  const found = [], wide = document.documentElement.clientWidth;
  const nameOf = (node) => `${node.tagName.toLowerCase()}${node.id ? "#" + node.id : ""}.${node.className}`;
  const scrollerOf = (node) => {
    for (let n = node; n && n !== document.body; n = n.parentElement)
      if (/auto|scroll/.test(getComputedStyle(n).overflowX + getComputedStyle(n).overflowY)) return n;
    return null;
  };
  const skipped = (node) => node.closest(".heard, .skip, svg, iframe, option, noscript, dialog:not([open])");
  const clipped = (node) => {
    for (let n = node; n; n = n.parentElement) if (getComputedStyle(n).clipPath !== "none") return true;
    return false;
  };
  const seen = (node) => !clipped(node) && node.checkVisibility({ visibilityProperty: true, opacityProperty: true });
  const pieces = [];
  /** A piece of text or a control: its box, as far as its scroller shows it. */
  const add = (node, box) => {
    const around = scrollerOf(node)?.getBoundingClientRect();
    const left = Math.max(box.left, around?.left ?? -1e6), right = Math.min(box.right, around?.right ?? 1e6);
    const top = Math.max(box.top, around?.top ?? -1e6), bottom = Math.min(box.bottom, around?.bottom ?? 1e6);
    if (right - left > 1 && bottom - top > 1) pieces.push({ node, left, right, top, bottom });
  };
  for (const node of document.body.querySelectorAll("*")) {
    const box = node.getBoundingClientRect(), style = getComputedStyle(node);
    if (!box.width || !box.height || !seen(node) || skipped(node)) continue;
    const texts = [...node.childNodes].filter((child) => child.nodeType === 3 && child.textContent.trim());
    const tight = (overflow, needs, has) => texts.length && /hidden|clip/.test(overflow) && needs > has + 1;
    if (tight(style.overflowX, node.scrollWidth, node.clientWidth) || tight(style.overflowY, node.scrollHeight, node.clientHeight))
      found.push(`${nameOf(node)} hides its text`);
    if (!scrollerOf(node)) {
      if (box.right > wide + 1 || box.left < -1) found.push(`${nameOf(node)} reaches out of the window`);
      const around = node.parentElement?.closest(".card, .ticket")?.getBoundingClientRect();
      if (around && (box.right > around.right + 1 || box.left < around.left - 1)) found.push(`${nameOf(node)} leaves its card`);
    }
    if (node.matches("button, input, select, textarea, summary, [role=button], [role=tab]")) {
      add(node, box);
      // A box to tick is pressed by its label too.
      const reach = node.matches("[type=checkbox], [type=radio]") ? node.closest("label")?.getBoundingClientRect() ?? box : box;
      if (node.type !== "range" && (reach.width < 24 || reach.height < 24))
        found.push(`${nameOf(node)} is small: ${Math.round(reach.width)} by ${Math.round(reach.height)}`);
    } else for (const text of node.matches("select *, button *") ? [] : texts) {
      const range = document.createRange();
      range.selectNodeContents(text);
      for (const line of range.getClientRects()) {
        // The room above and below the letters may be shared.
        const slack = Math.max(0, (line.height - parseFloat(style.fontSize)) / 2);
        add(node, { left: line.left, right: line.right, top: line.top + slack, bottom: line.bottom - slack });
      }
    }
  }
  pieces.sort((one, other) => one.top - other.top);
  pieces.forEach((one, at) => {
    for (let next = at + 1; next < pieces.length && pieces[next].top < one.bottom - 2; next++) {
      const other = pieces[next];
      if (one.node.contains(other.node) || other.node.contains(one.node)) continue;
      if (Math.min(one.right, other.right) - Math.max(one.left, other.left) > 2 && Math.min(one.bottom, other.bottom) - other.top > 2)
        found.push(`${nameOf(one.node)} and ${nameOf(other.node)} overlap`);
    }
  });
  if (document.documentElement.scrollWidth > wide + 1)
    found.push(`scrolls sideways: ${document.documentElement.scrollWidth} px in ${wide}`);
  return [...new Set(found)].slice(0, 8);
}
