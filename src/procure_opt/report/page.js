// A click on a heading sorts its table: figures as figures, text as people sort it, blanks last.
for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => {
    const th = button.closest("th"), table = th.closest("table"), body = table.tBodies[0];
    const at = th.cellIndex, down = th.getAttribute("aria-sort") === "ascending";
    const figure = th.hasAttribute("data-figures");
    const key = (row) => figure ? row.cells[at].dataset.v : row.cells[at].textContent.trim();
    const blank = (value) => value === undefined || value === "" || value === "–";
    const rows = [...body.rows].map((row) => [key(row), row]);
    rows.sort(([a], [b]) => {
      if (blank(a) || blank(b)) return blank(a) - blank(b);
      const order = figure ? Number(a) - Number(b) : a.localeCompare(b, document.documentElement.lang, { numeric: true });
      return down ? -order : order;
    });
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    th.setAttribute("aria-sort", down ? "descending" : "ascending");
    body.append(...rows.map(([, row]) => row));
  });
}
// What is folded away on the screen is printed.
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((each) => { each.open = true; }));
