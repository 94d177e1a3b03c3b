"use strict";
// Of every page with pictures: save one as a file of its own. page.js, where a page has it, follows in the
// same script and uses what stands here. Texts of the page come from anybody's records: they are read and
// written as text only, never as markup.
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const words = (node) => (node ? node.textContent.replace(/\s+/g, " ").trim() : "");
const plain = (text) => text.replaceAll("−", "-");

function save(name, type, content) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content], { type }));
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

// ---------------------------------------------------------------- pictures
const LOOKS = [
  "fill", "fill-opacity", "stroke", "stroke-width", "stroke-dasharray", "stroke-linecap", "stroke-linejoin",
  "stroke-opacity", "opacity", "font-family", "font-size", "font-weight", "font-style", "text-anchor",
  "dominant-baseline", "paint-order", "visibility", "display",
];

function alone(svg) {
  // A paper is white: what is saved has the light colours, whatever the page has now.
  document.documentElement.classList.add("light");
  try {
    return dressed(svg);
  } finally {
    document.documentElement.classList.remove("light");
  }
}

function dressed(svg) {
  // The saved file has no style sheet, so every element carries what the page made of it.
  const copy = svg.cloneNode(true);
  const copies = [copy, ...all("*", copy)];
  [svg, ...all("*", svg)].forEach((element, index) => {
    const looks = getComputedStyle(element);
    const above = index ? getComputedStyle(element.parentNode) : null;
    copies[index].removeAttribute("class");
    for (const name of LOOKS) {
      const value = looks.getPropertyValue(name);
      const own = name === "opacity" || name === "display";
      if (own ? value !== "1" && value !== "inline" && value !== "block" : !above || value !== above.getPropertyValue(name)) {
        copies[index].setAttribute(name, value);
      }
    }
  });
  const box = svg.viewBox.baseVal;
  const size = box && box.width ? box : { x: 0, y: 0, width: svg.clientWidth, height: svg.clientHeight };
  const ground = document.createElementNS(svg.namespaceURI, "rect");
  const places = { x: size.x, y: size.y, width: size.width, height: size.height };
  for (const [name, value] of Object.entries(places)) ground.setAttribute(name, value);
  ground.setAttribute("fill", getComputedStyle(document.body).backgroundColor);
  const first = [...copy.children].find((child) => child.tagName !== "title" && child.tagName !== "desc");
  copy.insertBefore(ground, first || null);
  copy.setAttribute("xmlns", svg.namespaceURI);
  copy.setAttribute("width", size.width);
  copy.setAttribute("height", size.height);
  copy.removeAttribute("style");
  return new XMLSerializer().serializeToString(copy);
}

for (const button of all(".save-svg")) {
  const figure = button.closest("figure");
  const svg = figure && figure.querySelector("svg");
  if (!svg) continue;
  button.hidden = false;
  button.addEventListener("click", () => save(`${figure.id || svg.id || "figure"}.svg`, "image/svg+xml", alone(svg)));
}
