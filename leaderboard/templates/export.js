// What a table shows, as files. Facts that no cell holds, and the words of captions, come from the page's own
// block of data; numbers come from the cells.
function exporter(table, heads, shownHeads, shownRows, filters) {
  const data = JSON.parse(document.getElementById("exports").textContent);
  const plain = (text) => text.replaceAll("−", "-");
  const number = (text) => (text === undefined || text === null || text === "" ? null : Number(plain(text)));
  const found = (text, pattern, group = 1) => number((text.match(pattern) || [])[group]);
  const counted = (text, what) => found(text, new RegExp(`(\\d+) ${what}(?= |$|[^a-z ])`)) || 0;
  const told = (row) => data.rows[Number(row.dataset.row)];

  // One cell as named values.
  function values(row, head) {
    const cell = row.cells[head.index];
    const text = words(cell);
    const main = number(cell.dataset.value);
    if (head.kind === "rank") {
      const place = main === null ? [] : text.match(/^(\d+)(?:–(\d+))?/);
      const low = number(place[1]);
      return { "rank low": low, "rank high": number(place[2] || place[1]), ties: words(cell.querySelector(".letters")).replace(/^ties /, "") };
    }
    if (head.kind === "method") {
      return { method: words(cell.querySelector(".name")), configuration: words(cell.querySelector(".label")), ...told(row).facts };
    }
    if (head.kind === "time") return { "training seconds": main };
    if (head.kind === "share") {
      const range = text.match(/([−\d.]+) to ([−\d.]+)/) || [];
      return { "": main, low: number(range[1]), high: number(range[2]), n: found(text, /n=(\d+)/) };
    }
    const parts = { "": main, "half-width": found(text, /±([\d.]+)/), n: found(text, /n=(\d+)/) };
    if (head.kind !== "task") return parts;
    const gain = found(words(cell.querySelector("b")), /([−+]?[\d.]+)/);
    const without = words(cell.querySelector(".without"));
    return { ...parts, gain, failed: counted(text, "failed"), collapsed: counted(text, "collapsed"), "without rule": found(without, /^(\d+)/) || 0 };
  }

  // The same as columns; a task's own begin with "task:", so that a task of any name is none of the others.
  function named(row, head) {
    const title = { task: head.key, mean: "Average" }[head.kind] || head.label;
    const own = ["rank", "method", "time"].includes(head.kind);
    return Object.entries(values(row, head)).map(([name, value]) => [own ? name : `${title} ${name}`.trim(), value]);
  }

  function csv() {
    const safe = (entry) => {
      if (typeof entry !== "string") return entry === null ? "" : String(entry);
      const line = entry.replace(/[\u0000-\u001f\u007f]+/g, " ");
      const harmless = /^\s*[=+\-@]/.test(line) ? `'${line}` : line; // a spreadsheet would run it as a formula
      return /[",]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
    };
    const of = (row) => [...shownHeads().flatMap((head) => named(row, head)), ...Object.entries(data.about)];
    const any = table.querySelector("tbody tr[data-status]"); // no row need be shown for a line of heads
    const lines = [of(any).map(([name]) => name), ...shownRows().map((row) => of(row).map(([, value]) => value))];
    return lines.map((line) => `${line.map(safe).join(",")}\n`).join("");
  }

  function json() {
    const rows = shownRows().map((row) => {
      const tasks = shownHeads().filter((head) => head.kind === "task").map((head) => {
        const { "": mean, ...others } = values(row, head);
        return [head.key.replace(/^task:/, ""), { mean, ...others }];
      });
      const others = shownHeads().filter((head) => head.kind !== "task").flatMap((head) => named(row, head));
      return { ...Object.fromEntries(others), tasks: Object.fromEntries(tasks) };
    });
    return `${JSON.stringify({ ...data.about, caption: caption(), rows }, null, 1)}\n`;
  }

  // ---------------------------------------------------------------- for papers
  function caption() {
    const kinds = new Set(shownHeads().map((head) => head.kind));
    const more = Object.entries(data.captions).filter(([kind]) => kinds.has(kind)).map(([, sentence]) => sentence);
    const rows = shownRows().length;
    const part = rows < data.rows.length ? [`${rows} of ${data.rows.length} rows${filters()}.`] : [];
    return [data.caption, ...more, ...part].join(" ");
  }

  const seeds = (row, head) => values(row, head).n || 0;
  const mostSeeds = () => Math.max(0, ...shownRows().flatMap((row) => shownHeads().map((head) => seeds(row, head))));

  // Each footnote once, in the order of its first row: its letter by its words.
  function footnotes() {
    const all = [...new Set(shownRows().flatMap((row) => told(row).marks))];
    const letter = (index) => (index < 26 ? "" : letter(Math.floor(index / 26) - 1)) + String.fromCharCode(97 + index % 26);
    return new Map(all.map((words, index) => [words, letter(index)]));
  }

  function text(row, head, most, escape, plusMinus) {
    const cell = row.cells[head.index];
    if (head.kind === "method") {
      const label = words(cell.querySelector(".label"));
      return escape(words(cell.querySelector(".name")) + (label ? ` (${label})` : ""));
    }
    if (head.kind === "rank") return escape(cell.dataset.value === undefined ? "–" : words(cell).replace(/ ties /, " "));
    const found = values(row, head);
    const notes = head.kind === "task" ? ["failed", "collapsed", "without rule"].filter((name) => found[name]).map((name) => `${found[name]} ${name}`) : [];
    if (found.n && found.n < most) notes.unshift(`n=${found.n}`);
    const after = notes.length ? escape(` (${notes.join(", ")})`) : "";
    if (cell.dataset.value === undefined) return escape("–") + after;
    if (head.kind === "time") return escape(words(cell));
    const main = found[""];
    if (head.kind === "share") return plusMinus(main.toFixed(1), null) + after;
    const sign = head.kind === "gain" && main > 0 ? "+" : "";
    const half = found["half-width"];
    return plusMinus(`${sign}${main.toFixed(2)}`, half === null ? null : half.toFixed(2)) + after;
  }

  function markdown() {
    const ENTITIES = { "<": "&lt;", ">": "&gt;", "&": "&amp;" };
    const escape = (part) => part.replace(/[\\`*_{}[\]()#+!|~-]/g, "\\$&").replace(/[<>&]/g, (sign) => ENTITIES[sign]);
    const [notes, most, columns] = [footnotes(), mostSeeds(), shownHeads()];
    const cell = (row, head) => {
      const shown = text(row, head, most, escape, (main, half) => plain(half === null ? main : `${main} ±${half}`));
      const best = "best" in row.dataset && ["method", "mean"].includes(head.kind) ? `**${shown}**` : shown;
      if (head.kind !== "method") return best;
      const letters = told(row).marks.map((one) => notes.get(one)).join(",");
      return `${best}${told(row).incomplete ? "†" : ""}${letters ? `<sup>${letters}</sup>` : ""}`;
    };
    const line = (entries) => `| ${entries.join(" | ")} |\n`;
    const rule = columns.map((head) => (head.kind === "method" ? ":--" : "--:"));
    return line(columns.map((head) => escape(head.label))) + line(rule) +
      shownRows().map((row) => line(columns.map((head) => cell(row, head)))).join("") +
      `\n${escape(caption())}\n` + [...notes].map(([words, letter]) => `\n<sup>${letter}</sup> ${escape(words)}.\n`).join("");
  }

  const TEX = {
    "\\": "\\textbackslash{}", "{": "\\{", "}": "\\}", "$": "\\$", "&": "\\&", "#": "\\#", "%": "\\%", "_": "\\_",
    "^": "\\textasciicircum{}", "~": "\\textasciitilde{}", "<": "\\textless{}", ">": "\\textgreater{}",
    "|": "\\textbar{}", '"': "''", "→": "$\\to$", "±": "$\\pm$", "−": "$-$", "–": "--", "†": "$^\\dagger$",
    "…": "\\ldots{}", "·": "$\\cdot$", "✕": "$\\times$", "◌": "$\\circ$", "\u00a0": "~",
  };

  function latex() {
    const escape = (part) => part.replace(/[\\{}$&#%_^~<>|"→±−–†…·✕◌\u00a0]/g, (sign) => TEX[sign]);
    const [notes, most, columns] = [footnotes(), mostSeeds(), shownHeads()];
    const cell = (row, head) => {
      const best = "best" in row.dataset;
      const shown = text(row, head, most, escape, (main, half) => {
        const bold = best && head.kind === "mean" ? `\\mathbf{${plain(main)}}` : plain(main);
        return half === null ? `$${bold}$` : `$${bold} \\pm ${half}$`;
      });
      if (head.kind !== "method") return shown;
      const letters = told(row).marks.map((one) => notes.get(one)).join(",");
      return (best ? `\\textbf{${shown}}` : shown) + (told(row).incomplete ? TEX["†"] : "") + (letters ? `\\textsuperscript{${letters}}` : "");
    };
    const line = (entries) => `${entries.join(" & ")} \\\\\n`;
    const foot = [...notes].map(([words, letter]) => `\\textsuperscript{${letter}} ${escape(words)}.`).join("\\\\\n");
    return "% needs \\usepackage{booktabs}\n\\begin{table}\n\\centering\n" +
      `\\caption{${escape(caption())}}\n\\begin{tabular}{${columns.map((head) => (head.kind === "method" ? "l" : "r")).join("")}}\n\\toprule\n` +
      line(columns.map((head) => escape(head.label))) + "\\midrule\n" +
      shownRows().map((row) => line(columns.map((head) => cell(row, head)))).join("") +
      `\\bottomrule\n\\end{tabular}\n${foot ? `\n\\smallskip\n\\parbox{\\linewidth}{\\footnotesize\\raggedright\n${foot}}\n` : ""}\\end{table}\n`;
  }

  function bibtex() {
    const entries = JSON.parse(document.getElementById("citations").textContent);
    const names = shownRows().map((row) => words(row.querySelector(".name")));
    return [...new Set(names.map((name) => (Object.hasOwn(entries, name) ? entries[name] : "")))].filter(Boolean).map((entry) => `${entry}\n`).join("\n");
  }

  return {
    csv: ["text/csv", csv], json: ["application/json", json], tex: ["application/x-tex", latex],
    md: ["text/markdown", markdown], bib: ["application/x-bibtex", bibtex],
  };
}
