"use strict";
// Sort, filter, choose columns, keep all of it in the address, save what is shown. Texts of the page come
// from anybody's records: they are read and written as text only, never as markup.
(() => {
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

  // ---------------------------------------------------------------- the table
  const table = document.querySelector("table.board");
  const controls = document.querySelector(".controls");
  if (!table || !controls) return;
  const byId = (id) => document.getElementById(id);
  const heads = all("thead th", table).map((cell, index) => ({
    cell, index, key: cell.dataset.key, kind: cell.dataset.kind, label: words(cell), up: "up" in cell.dataset,
  }));
  const bodies = all("tbody", table).map((body) => ({ body, rows: all("tr[data-status]", body) }));
  const rows = bodies.flatMap((part) => part.rows);
  const onTarget = (row) => row.dataset.status === "target";
  const onlyTarget = !rows.some((row) => ["ranked", "incomplete"].includes(row.dataset.status));
  const start = () => ({ sort: "rank", up: true, search: "", show: "", target: false, hide: new Set() });
  let state = start();

  function value(row, head) {
    if (head.kind === "method") return words(row.querySelector(".name")).toLowerCase();
    const text = row.cells[head.index].dataset.value;
    return text === undefined ? null : Number(text);
  }

  function order(list) {
    const head = heads.find((one) => one.key === state.sort);
    if (!head || head.key === "rank" && state.up) return list;
    const sign = state.up ? 1 : -1;
    return list.map((row) => [value(row, head), row]).sort(([a], [b]) => {
      if (a === null || b === null) return (a === null) - (b === null); // rows without a value last, always
      return sign * (a < b ? -1 : a > b ? 1 : 0);
    }).map((pair) => pair[1]);
  }

  function wanted(row) {
    const kind = row.dataset.status;
    if (onTarget(row) && !onlyTarget && !state.target) return false;
    if (state.show === "trouble" && !("trouble" in row.dataset)) return false;
    if (state.show === "ranked" && kind !== "ranked") return false;
    if (state.show === "incomplete" && (kind === "ranked" || kind === "bound")) return false;
    return words(row.cells[1]).toLowerCase().includes(state.search.trim().toLowerCase());
  }

  const shownHeads = () => heads.filter((head) => !state.hide.has(head.key));
  const shownRows = () => all("tbody tr[data-status]", table).filter((row) => !row.hidden);

  function draw() {
    for (const { body, rows: own } of bodies) {
      body.append(...order(own), ...all("tr.absent", body));
      for (const row of own) row.hidden = !wanted(row);
      body.hidden = !own.some((row) => !row.hidden) && (own.length > 0 || state.show !== "" || state.search !== "");
    }
    for (const head of heads) {
      const sorted = head.key === state.sort;
      if (sorted) head.cell.setAttribute("aria-sort", state.up ? "ascending" : "descending");
      else head.cell.removeAttribute("aria-sort");
    }
    const hidden = heads.map((head) => state.hide.has(head.key));
    for (const row of table.rows) {
      const whole = row.cells.length === heads.length;
      for (const cell of row.cells) {
        const before = cell.dataset.before;
        if (before === undefined) cell.hidden = hidden[cell.cellIndex] && (whole || cell.cellIndex < 2);
        else cell.colSpan = Math.max(1, hidden.filter((gone, index) => !gone && index >= Number(before)).length);
      }
    }
    byId("search").value = state.search;
    byId("show").value = state.show;
    if (byId("target")) byId("target").checked = state.target;
    for (const box of all(".column")) box.checked = !state.hide.has(box.value);
    const count = shownRows().length;
    byId("shown").textContent = `${count} of ${rows.length} rows`;
  }

  // ---------------------------------------------------------------- the address
  function written() {
    const parts = new URLSearchParams();
    if (state.sort !== "rank" || !state.up) parts.set("sort", `${state.up ? "" : "-"}${state.sort}`);
    if (state.search) parts.set("q", state.search);
    if (state.show) parts.set("show", state.show);
    if (state.target) parts.set("target", "1");
    for (const key of state.hide) parts.append("hide", key);
    return String(parts);
  }

  function read() {
    const text = location.hash.slice(1);
    const parts = new URLSearchParams(text.includes("=") ? text : "");
    state = start();
    const sort = parts.get("sort") || "rank";
    // A task may be called anything, so a minus counts as a direction only where no column has that name.
    const up = heads.some((head) => head.key === sort);
    const key = up ? sort : sort.slice(1);
    if (heads.some((head) => head.key === key)) [state.sort, state.up] = [key, up];
    state.search = parts.get("q") || "";
    const show = parts.get("show") || "";
    if (all("option", byId("show")).some((option) => option.value === show)) state.show = show;
    state.target = parts.get("target") === "1";
    const known = new Set(all(".column").map((box) => box.value));
    state.hide = new Set(parts.getAll("hide").filter((one) => known.has(one)));
    draw();
  }

  function change(next, typed = false) {
    const before = written();
    Object.assign(state, next);
    draw();
    const now = written();
    if (now === before) return;
    const address = now ? `#${now}` : location.pathname + location.search;
    history[typed ? "replaceState" : "pushState"](null, "", address);
  }

  // ---------------------------------------------------------------- what is shown, for files
  const number = (text) => (text === undefined || text === null || text === "" ? null : Number(plain(text)));
  const found = (text, pattern, group = 1) => number((text.match(pattern) || [])[group]);

  function fields(row, head) {
    // One cell as named values: CSV columns and JSON keys.
    const cell = row.cells[head.index];
    const text = words(cell);
    const main = number(cell.dataset.value);
    const name = { rank: "rank", method: "method", gain: head.key, share: head.key, time: "training seconds" }[head.kind] || head.label.replaceAll("→", "->");
    if (head.kind === "rank") {
      const place = text.match(/^(\d+)(?:–(\d+))?/);
      const low = main === null ? null : Number(place[1]);
      return [["rank low", low], ["rank high", main === null ? null : Number(place[2] || place[1])], ["ties", words(cell.querySelector(".letters")).replace(/^ties /, "")], ["not ranked", main === null ? text : ""]];
    }
    if (head.kind === "method") return [["method", words(cell.querySelector(".name"))], ["configuration", words(cell.querySelector(".label"))], ["status", row.dataset.status]];
    if (head.kind === "time") return [[name, main]];
    if (head.kind === "share") {
      const range = text.match(/([−\d.]+) to ([−\d.]+)/) || [];
      return [[head.label, main], [`${head.label} low`, number(range[1])], [`${head.label} high`, number(range[2])]];
    }
    const title = head.kind === "gain" ? head.label : name;
    const parts = [[title, main], [`${title} half-width`, found(text, /±([\d.]+)/)], [`${title} n`, found(text, /n=(\d+)/)]];
    if (head.kind === "task") {
      const gain = words(cell.querySelector("b"));
      parts.push([`${title} gain`, found(gain, /([−+]?[\d.]+)/)], [`${title} failed`, found(text, /(\d+) failed/) || 0]);
    }
    return parts;
  }

  const lines = () => shownRows().map((row) => shownHeads().flatMap((head) => fields(row, head)));

  function csv() {
    const safe = (entry) => {
      if (typeof entry !== "string") return entry === null ? "" : String(entry);
      const line = entry.replace(/[\u0000-\u001f\u007f]+/g, " ");
      const harmless = /^\s*[=+\-@]/.test(line) ? `'${line}` : line; // a spreadsheet would run it as a formula
      return /[",]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
    };
    const content = lines();
    const head = content.length ? content[0].map(([name]) => name) : [];
    return [head, ...content.map((line) => line.map(([, entry]) => entry))].map((line) => `${line.map(safe).join(",")}\n`).join("");
  }

  const json = () => `${JSON.stringify({
    table: words(document.querySelector("h1")),
    caption: words(table.caption),
    rows: lines().map((line) => Object.fromEntries(line)),
  }, null, 1)}\n`;

  function text(row, head, escape, plusMinus) {
    const cell = row.cells[head.index];
    if (head.kind === "method") {
      const label = words(cell.querySelector(".label"));
      return escape(words(cell.querySelector(".name")) + (label ? ` (${label})` : ""));
    }
    if (head.kind === "rank") return escape(words(cell).replace(/ ties /, " "));
    if (cell.dataset.value === undefined) return "–";
    if (head.kind === "time") return escape(words(cell));
    const [[, main], [, half]] = fields(row, head);
    const digits = head.kind === "share" ? 1 : 2;
    const sign = head.kind === "gain" && main > 0 ? "+" : "";
    if (head.kind === "share") return `${main.toFixed(digits)}`;
    return plusMinus(`${sign}${main.toFixed(digits)}`, half === null ? null : half.toFixed(2));
  }

  function seeds() {
    const counts = new Set(lines().flatMap((line) => line.filter(([name, n]) => name.endsWith(" n") && n !== null).map(([, n]) => n)));
    const known = [...counts].sort((a, b) => a - b);
    return known.length ? `n = ${known[0]}${known.length > 1 ? ` to ${known[known.length - 1]}` : ""} seeds` : "";
  }

  const about = () => [words(document.querySelector("h1")), words(table.caption), seeds()].filter(Boolean).map((part) => part.replace(/\.$/, "")).join(". ") + ".";

  function markdown() {
    const ENTITIES = { "<": "&lt;", ">": "&gt;", "&": "&amp;" };
    const escape = (part) => part.replace(/[\\`*_{}[\]()#+!|~-]/g, "\\$&").replace(/[<>&]/g, (sign) => ENTITIES[sign]);
    const cell = (row, head) => text(row, head, escape, (main, half) => plain(half === null ? main : `${main} ±${half}`));
    const columns = shownHeads();
    const line = (entries) => `| ${entries.join(" | ")} |\n`;
    const rule = columns.map((head) => (head.kind === "method" ? ":--" : "--:"));
    return line(columns.map((head) => escape(head.label))) + line(rule) + shownRows().map((row) => line(columns.map((head) => cell(row, head)))).join("") + `\n${escape(about())}\n`;
  }

  const TEX = {
    "\\": "\\textbackslash{}", "{": "\\{", "}": "\\}", "$": "\\$", "&": "\\&", "#": "\\#", "%": "\\%", "_": "\\_",
    "^": "\\textasciicircum{}", "~": "\\textasciitilde{}", "<": "\\textless{}", ">": "\\textgreater{}",
    "→": "$\\rightarrow$", "±": "$\\pm$", "−": "$-$", "–": "--", "✕": "$\\times$", "◌": "$\\circ$", "\u00a0": "~",
  };

  function latex() {
    const escape = (part) => part.replace(/[\\{}$&#%_^~<>→±−–✕◌\u00a0]/g, (sign) => TEX[sign]);
    const columns = shownHeads();
    const cell = (row, head) => {
      const best = head.kind === "mean" && "best" in row.dataset;
      const shown = text(row, head, escape, (main, half) => {
        const bold = best ? `\\mathbf{${plain(main)}}` : plain(main);
        return half === null ? `$${bold}$` : `$${bold} \\pm ${half}$`;
      });
      return shown === "–" ? "--" : shown;
    };
    const line = (entries) => `${entries.join(" & ")} \\\\\n`;
    const best = shownRows().some((row) => "best" in row.dataset) ? " Bold: no row is significantly better." : "";
    return "% needs \\usepackage{booktabs}\n\\begin{table}\n\\centering\n" +
      `\\caption{${escape(about() + best)}}\n\\begin{tabular}{${columns.map((head) => (head.kind === "method" ? "l" : "r")).join("")}}\n\\toprule\n` +
      line(columns.map((head) => escape(head.label))) + "\\midrule\n" +
      shownRows().map((row) => line(columns.map((head) => cell(row, head)))).join("") +
      "\\bottomrule\n\\end{tabular}\n\\end{table}\n";
  }

  function bibtex() {
    const entries = JSON.parse(byId("citations").textContent);
    const names = shownRows().map((row) => words(row.querySelector(".name")));
    return [...new Set(names.map((name) => (Object.hasOwn(entries, name) ? entries[name] : "")))].filter(Boolean).map((entry) => `${entry}\n`).join("\n");
  }

  const FILES = {
    csv: ["text/csv", csv], json: ["application/json", json], tex: ["application/x-tex", latex],
    md: ["text/markdown", markdown], bib: ["application/x-bibtex", bibtex],
  };

  // ---------------------------------------------------------------- controls
  for (const head of heads) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.cell.childNodes);
    head.cell.append(button);
    button.addEventListener("click", () => change({ sort: head.key, up: state.sort === head.key ? !state.up : head.up }));
  }
  byId("search").addEventListener("input", (event) => change({ search: event.target.value }, true));
  byId("show").addEventListener("change", (event) => change({ show: event.target.value }));
  if (byId("target")) byId("target").addEventListener("change", (event) => change({ target: event.target.checked }));
  for (const box of all(".column")) {
    box.addEventListener("change", () => {
      const hide = new Set(state.hide);
      if (box.checked) hide.delete(box.value);
      else hide.add(box.value);
      const sort = hide.has(state.sort) ? { sort: "rank", up: true } : {};
      change({ hide, ...sort });
    });
  }
  byId("reset").addEventListener("click", () => change(start()));
  byId("copy-link").addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(location.href);
      byId("shown").textContent = "link copied";
    } catch {
      byId("shown").textContent = "the browser does not allow it; copy the address above";
    }
  });
  for (const button of all("[data-export]")) {
    const [type, make] = FILES[button.dataset.export];
    button.addEventListener("click", () => {
      save(`${table.dataset.name}.${button.dataset.export}`, `${type};charset=utf-8`, make());
      button.closest("details").open = false;
    });
  }
  const menus = all("details.menu");
  document.addEventListener("click", (event) => menus.forEach((menu) => menu.contains(event.target) || (menu.open = false)));
  document.addEventListener("keydown", (event) => {
    const open = event.key === "Escape" && menus.find((menu) => menu.open);
    if (!open) return;
    open.open = false;
    open.querySelector("summary").focus();
  });
  addEventListener("popstate", read);
  controls.hidden = false;
  read();
})();
