// Of a page with a table: sort, filter, choose columns, keep all of it in the address, save what is shown.
(() => {
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
    if (!head) return list;
    const sign = state.up ? 1 : -1;
    return list.map((row) => [value(row, head), row]).sort(([a], [b]) => {
      if (a === null || b === null) return (a === null) - (b === null); // rows without a value last, always
      return sign * (a < b ? -1 : a > b ? 1 : 0);
    }).map((pair) => pair[1]);
  }

  function wanted(row) {
    const kind = row.dataset.status;
    if (onTarget(row) && !onlyTarget && !state.target) return false;
    if (["trouble", "wrong"].includes(state.show) && !(state.show in row.dataset)) return false;
    if (state.show === "ranked" && kind !== "ranked") return false;
    if (state.show === "incomplete" && (kind === "ranked" || kind === "bound")) return false;
    const said = all(".name, .about bdi, .label", row).map(words).join("\n");
    return said.toLowerCase().includes(state.search.trim().toLowerCase());
  }

  const shownHeads = () => heads.filter((head) => !state.hide.has(head.key));
  const shownRows = () => all("tbody tr[data-status]", table).filter((row) => !row.hidden);

  function filters() {
    const picked = byId("show").selectedOptions[0];
    const search = state.search.trim() ? [`search “${state.search.trim()}”`] : [];
    const parts = [...search, ...(state.show ? [words(picked)] : [])];
    return parts.length ? ` (${parts.join(", ")})` : "";
  }

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
    byId("nothing").textContent = count || !rows.length ? "" : `No row is shown${filters()}. Reset shows all.`;
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
  const files = exporter(table, heads, shownHeads, shownRows, filters);
  for (const button of all("[data-export]")) {
    const [type, make] = files[button.dataset.export];
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
