// What the pages gain with a script: search and filter of the statements, a focus in the graph, buttons that copy commands, a search of the documentation.
"use strict";

function filterStatements() {
  const form = document.querySelector("form.filter");
  if (!form) return;
  const rows = [...document.querySelectorAll("tr.statement")];
  const texts = rows.map((row) => row.textContent.toLowerCase());
  const bodies = [...document.querySelectorAll(".statements tbody")];
  const said = form.querySelector("output");
  const none = document.querySelector(".none");
  const { q, verdict, origin } = form.elements;

  function apply() {
    const words = q.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    rows.forEach((row, k) => {
      const fits =
        words.every((word) => texts[k].includes(word)) &&
        (!verdict.value || row.dataset.verdict === verdict.value) &&
        (!origin.value || row.dataset.origin === origin.value);
      row.hidden = !fits;
      shown += fits;
    });
    for (const body of bodies) body.hidden = !body.querySelector("tr.statement:not([hidden])");
    said.textContent = shown === rows.length ? `${shown} statements` : `${shown} of ${rows.length} statements`;
    none.hidden = shown > 0;
  }

  // A count on top links to #only-VERDICT, which the style sheet alone understands; here it sets the filter.
  function follow() {
    const wanted = location.hash.startsWith("#only-") ? location.hash.slice(6) : "";
    if (wanted && [...verdict.options].some((option) => option.value === wanted)) {
      verdict.value = wanted;
      history.replaceState(null, "", "#statements");
      form.scrollIntoView();
    }
    apply();
  }

  form.hidden = false;
  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(apply));
  addEventListener("hashchange", follow);
  addEventListener("keydown", (event) => {
    if (event.key === "/" && !/^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName)) {
      event.preventDefault();
      q.focus();
    }
  });
  follow();
}

function focusGraph(graph) {
  const nodes = new Map([...graph.querySelectorAll("[data-node]")].map((node) => [node.dataset.node, node]));
  const edges = [...graph.querySelectorAll("[data-from]")];
  const below = new Map(), above = new Map();
  for (const edge of edges) {
    const { from, to } = edge.dataset;
    below.set(to, [...(below.get(to) || []), from]);
    above.set(from, [...(above.get(from) || []), to]);
  }

  function reach(start, next) {
    const seen = new Set([start]);
    for (const id of seen) for (const other of next.get(id) || []) seen.add(other);
    return seen;
  }

  function show(id) {
    const down = reach(id, below), up = reach(id, above);
    for (const [name, node] of nodes) node.classList.toggle("far", !down.has(name) && !up.has(name));
    for (const edge of edges) {
      const { from, to } = edge.dataset;
      edge.classList.toggle("far", !(down.has(from) && down.has(to)) && !(up.has(from) && up.has(to)));
    }
  }

  function clear() {
    for (const part of graph.querySelectorAll(".far")) part.classList.remove("far");
  }

  for (const [id, node] of nodes) {
    node.addEventListener("pointerenter", () => show(id));
    node.addEventListener("focus", () => show(id));
    node.addEventListener("pointerleave", clear);
    node.addEventListener("blur", clear);
  }
}

function copyButtons() {
  if (!navigator.clipboard) return;
  for (const line of document.querySelectorAll("pre.line")) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Copy";
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(line.querySelector("code").textContent);
        button.textContent = "Copied";
      } catch {
        button.textContent = "Select and copy";
      }
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    });
    line.append(button);
  }
}

// The sections of the documentation that have all the words, in their titles first.
function findSections() {
  const form = document.querySelector("form.find");
  if (!form) return;
  const items = [...document.querySelectorAll(".found li")];
  const texts = items.map((item) => `${item.textContent} ${item.dataset.words}`.toLowerCase());
  const none = document.querySelector("#sections .none");

  function apply() {
    const words = form.elements.q.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    items.forEach((item, k) => {
      item.hidden = !words.every((word) => texts[k].includes(word));
      shown += !item.hidden;
    });
    form.querySelector("output").textContent = words.length ? `${shown} of ${items.length} sections` : "";
    none.hidden = shown > 0;
  }

  form.hidden = false;
  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  apply();
}

filterStatements();
findSections();
document.querySelectorAll("svg.graph").forEach(focusGraph);
copyButtons();
