// The keyboard: the command palette (a combobox over a listbox), shortcuts, and moving among the rows of a list.
// Keys typed into a field, a console or an open dialog are never shortcuts; those of one key alone can be switched off.
const body = document.body;
const palette = document.getElementById("palette");
const input = document.getElementById("palette-input");
const found = document.getElementById("palette-found");
const said = document.getElementById("palette-count");
const help = document.getElementById("shortcuts");
const GO_MS = 1500;
const MAC = /Mac|iPhone|iPad/.test(navigator.platform);
let goUntil = 0;
let openFirst = false; // Enter came before the answer to what was typed

const options = () => [...found.querySelectorAll("[role=option]")];
const chosen = () => found.querySelector("[aria-selected=true]");
const keys = { get on() { try { return localStorage.getItem("keys") !== "off"; } catch { return true; } } };

function choose(option) {
  chosen()?.setAttribute("aria-selected", "false");
  option?.setAttribute("aria-selected", "true");
  option?.scrollIntoView({ block: "nearest" });
  if (option) input.setAttribute("aria-activedescendant", option.id);
  else input.removeAttribute("aria-activedescendant");
}

function openPalette() {
  if (palette.open) return;
  help.close();
  palette.showModal();
  input.select();
  htmx.trigger(input, "palette");
}

found.addEventListener("htmx:afterSwap", () => {
  const all = options();
  input.setAttribute("aria-expanded", String(all.length > 0));
  said.textContent = found.querySelector("[data-count]")?.dataset.count ?? "";
  choose(all[0]);
  if (openFirst) all[0]?.click();
  openFirst = false;
});

input.addEventListener("input", () => { openFirst = false; input.dataset.stale = ""; });
input.addEventListener("htmx:afterRequest", () => delete input.dataset.stale);
input.addEventListener("keydown", (event) => {
  const all = options();
  const at = all.indexOf(chosen());
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, PageDown: Math.min(at + 8, all.length - 1), PageUp: Math.max(at - 8, 0) }[event.key];
  if (to !== undefined && all.length) choose(all.at(to % all.length));
  else if (event.key === "Enter" && !event.isComposing) {
    if ("stale" in input.dataset) openFirst = true;
    else if (event.ctrlKey || event.metaKey) open(chosen()?.href, "_blank", "noopener");
    else chosen()?.click();
  } else return;
  event.preventDefault();
});

// Which row's link has the focus, and the one so many further down.
function row(step) {
  const all = [...document.querySelectorAll("main :is(tbody, .moving-cards, .host-cards) a.cell-main")];
  const at = all.findIndex((link) => link.closest("tr, li, .card").contains(document.activeElement));
  const next = all[at < 0 ? (step > 0 ? 0 : all.length - 1) : Math.min(Math.max(at + step, 0), all.length - 1)];
  next?.focus();
  next?.scrollIntoView({ block: "nearest" });
}

function migrate() {
  const scope = document.activeElement.closest("tr") ?? document.querySelector("main");
  const all = scope.querySelectorAll("a[href*='/migrations/new/?vm=']");
  if (all.length === 1 || scope.matches("tr")) all[0]?.click();
}

function search() {
  const field = document.querySelector("main input[type=search]");
  if (field) field.select();
  else openPalette();
}

const SINGLE = { "?": () => help.showModal(), "/": search, j: () => row(1), k: () => row(-1), m: migrate,
  a: () => document.getElementById("activity")?.togglePopover?.(), g: () => { goUntil = Date.now() + GO_MS; } };
const elsewhere = ({ target }) => target.isContentEditable || target.closest("input, textarea, select, dialog, canvas, [data-console]");

addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.isComposing) return;
  const key = event.key.toLowerCase();
  if (key === "k" && (MAC ? event.metaKey : event.ctrlKey) && !event.altKey && !event.shiftKey && !event.target.closest("[data-console]")) {
    event.preventDefault();
    openPalette();
    return;
  }
  if (!keys.on || event.ctrlKey || event.metaKey || event.altKey || elsewhere(event)) return;
  const link = Date.now() < goUntil && document.querySelector(`[data-go="${CSS.escape(key)}"]`);
  goUntil = 0;
  const act = link ? () => link.click() : SINGLE[key];
  if (!act) return;
  event.preventDefault();
  act();
});

addEventListener("click", (event) => {
  if (event.target.closest("[data-palette]") && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    document.getElementById("rail").hidePopover?.();
    openPalette();
  } else if (event.target.closest("[data-shortcuts]")) {
    help.showModal();
  } else if (event.target.closest("[data-close]") || event.target.matches("dialog.palette")) {
    event.target.closest("dialog").close(); // its button, or the backdrop
  }
});

const box = help.querySelector("[data-keys]");
box.checked = keys.on;
box.addEventListener("change", () => { try { localStorage.setItem("keys", box.checked ? "on" : "off"); } catch { /* for this page only */ } });
if (MAC) for (const mod of document.querySelectorAll("[data-mod]")) mod.textContent = "⌘";
