// Lists of guests: only the rows on the page are listened to, and a row that changed is put in place where it stands.
// The table says where rows are to be had (data-rows), each row whose it is (data-row). Ticks: all of a page at once.
const body = document.body;
const GATHER_MS = 150;
const changed = new Set();
let gathering = 0;
let named = "";

const shown = () => [...document.querySelectorAll("[data-row]")].map((row) => row.dataset.row);

// Tell the server which rows are on the page now; again after each reconnect, since a socket starts with none.
function listen(again = false) {
  const rows = shown();
  const text = rows.join();
  if (again || text !== named) {
    body.dispatchEvent(new CustomEvent("live:listen", { detail: rows }));
    named = text;
  }
}

async function fetchChanged() {
  gathering = 0;
  const table = document.querySelector("[data-rows]");
  const wanted = shown().filter((uuid) => changed.has(uuid));
  changed.clear();
  if (!table || !wanted.length) return;
  const query = wanted.map((uuid) => `&vm=${uuid}`).join("");
  const answer = await fetch(table.dataset.rows + query, { headers: { "HX-Request": "true" } }).catch(() => null);
  if (!answer?.ok || answer.redirected) return; // the list reads itself again when the socket is back
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const row of fresh.querySelectorAll("[data-row]")) {
    const old = document.getElementById(row.id);
    if (old) Idiomorph.morph(old, row, { morphStyle: "outerHTML" });
  }
}

body.addEventListener("live:topic", ({ detail }) => {
  if (!detail.topic.startsWith("vm.")) return;
  changed.add(detail.topic.slice(3));
  gathering ||= setTimeout(fetchChanged, GATHER_MS);
});
body.addEventListener("live:open", () => listen(true));
body.addEventListener("htmx:afterSettle", () => { listen(); count(); });

const ticks = () => [...document.querySelectorAll("[form=bulk][name=vm]")];

function count() {
  const all = document.querySelector("[data-tick-all]");
  const boxes = ticks();
  const ticked = boxes.filter((box) => box.checked).length;
  const words = document.getElementById("ticked");
  if (words) words.textContent = ticked ? interpolate(ngettext("%s ticked", "%s ticked", ticked), [ticked]) : "";
  for (const button of document.querySelectorAll("#bulk button")) button.disabled = ticked === 0;
  if (!all) return;
  all.hidden = boxes.length === 0;
  all.checked = ticked > 0 && ticked === boxes.length;
  all.indeterminate = ticked > 0 && ticked < boxes.length;
}

body.addEventListener("change", ({ target }) => {
  if (target.matches("[data-tick-all]")) for (const box of ticks()) box.checked = target.checked;
  if (target.matches("[data-tick-all], [form=bulk]")) count();
});
// A list that opens over the page closes with Escape or a click beside it.
addEventListener("keydown", ({ key }) => {
  const open = key === "Escape" && document.querySelector(".pick[open]");
  if (!open) return;
  open.open = false;
  open.querySelector("summary").focus();
});
addEventListener("click", ({ target }) => {
  for (const open of document.querySelectorAll(".pick[open]")) if (!open.contains(target)) open.open = false;
});
count();
