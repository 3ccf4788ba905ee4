// Small things of every page: toasts, times in the reader's zone, copy buttons, errors of htmx requests.
const body = document.body;
const stack = document.getElementById("toasts");
const pattern = document.getElementById("toast-pattern");
const SHOWN_MS = 8000;
const MOST_OF_OTHERS = 3; // at once: who works beside ten others still wants to see the page

function toast({ title, text = "", tone = "error" }) {
  const same = [...stack.children].find((one) => one.dataset.text === title + text);
  same?.remove();
  const card = pattern.content.cloneNode(true).firstElementChild;
  card.dataset.tone = tone;
  card.dataset.text = title + text;
  card.querySelector(".toast-title").textContent = title;
  card.querySelector(".toast-text").textContent = text;
  stack.append(card);
}

// Good news goes by itself, and so does what others did; a warning or an error of one's own stays until it is closed.
function fade(card) {
  if (["ok", "info"].includes(card.dataset.tone) || "ofOther" in card.dataset) setTimeout(() => card.remove(), SHOWN_MS);
  for (const old of [...stack.querySelectorAll("[data-of-other]")].slice(0, -MOST_OF_OTHERS)) old.remove();
}

// The browser's own way to write times, where it speaks the language of the page.
const { lang } = document.documentElement;
const locale = navigator.language.slice(0, 2) === lang.slice(0, 2) ? undefined : lang;
const shortTime = new Intl.DateTimeFormat(locale, {
  day: "2-digit", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23",
});
const exactTime = new Intl.DateTimeFormat(locale, { dateStyle: "full", timeStyle: "long" });

function localTimes() {
  for (const element of document.querySelectorAll("time[data-local]:not([data-shown])")) {
    const at = new Date(element.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    element.textContent = shortTime.format(at);
    element.title = `${exactTime.format(at)} (${element.dateTime})`;
    element.dataset.shown = "";
  }
}

async function copy(button) {
  const text = document.getElementById(button.dataset.copy).textContent.trim();
  try {
    await navigator.clipboard.writeText(text);
  } catch { // no clipboard outside https and localhost: the old way works there
    const area = Object.assign(document.createElement("textarea"), { value: text });
    body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  button.dataset.copied = "";
  document.getElementById("announcer").textContent = gettext("Copied.");
  setTimeout(() => delete button.dataset.copied, 2000);
}

// The server's own words where it sent some (components/_error.html), else what the status means.
function explain({ xhr }) {
  const answer = new DOMParser().parseFromString(xhr.responseText || "", "text/html");
  const part = (name) => answer.querySelector(`[data-error] .error-${name}`)?.textContent.trim() ?? "";
  if (part("title")) return { title: part("title"), text: `${part("message")} ${part("hint")}`.trim() };
  if (xhr.status === 403) return { title: gettext("Not allowed"), text: gettext("Your role does not allow this, or the page is too old: reload it.") };
  return { title: interpolate(gettext("The console answered %s"), [xhr.status]), text: gettext("Reload the page; if it stays, look at the console's log.") };
}

body.addEventListener("htmx:responseError", ({ detail }) => toast(explain(detail)));
body.addEventListener("htmx:sendError", () => toast({ title: gettext("The console does not answer"), text: gettext("Nothing was sent. Try again in a moment.") }));
body.addEventListener("htmx:timeout", () => toast({ title: gettext("The console took too long"), text: gettext("Look at the page again before you repeat it.") }));
body.addEventListener("toast", ({ detail }) => toast(detail)); // from the HX-Trigger header: {"toast": {"title", "text", "tone"}}

// A session that ended answers a part's request with the login page, which must not be swapped into the page.
body.addEventListener("htmx:beforeSwap", (event) => {
  const answered = event.detail.xhr.responseURL;
  if (answered && new URL(answered).pathname === body.dataset.loginUrl) {
    event.preventDefault();
    location.reload();
  }
});

addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy], [data-dismiss]");
  if (button?.dataset.copy) copy(button);
  else if (button) button.closest(".toast-card")?.remove();
});

// A re-read of the live part keeps what the reader has ticked and opened since.
if (globalThis.Idiomorph) {
  Idiomorph.defaults.callbacks.beforeAttributeUpdated = (name, node) =>
    !((name === "checked" && node.matches("[data-keep]")) || (name === "open" && node.matches("details")));
  // What chart.js has drawn, or a reader is typing ([data-own]), stands in no answer of the server.
  Idiomorph.defaults.callbacks.beforeNodeMorphed = (node) => !node.matches?.("[data-chart], [data-chart-table], [data-own]");
}

for (const card of stack.children) fade(card);
new MutationObserver((changes) => { // from here, from the socket
  for (const { addedNodes } of changes) for (const card of addedNodes) if (card.dataset) fade(card);
}).observe(stack, { childList: true });
localTimes();
new MutationObserver(localTimes).observe(body, { childList: true, subtree: true, characterData: true });

// An upload has two halves: to the console, which the browser can measure, and from there to the host.
body.addEventListener("htmx:xhr:progress", ({ target, detail }) => {
  const part = target.closest?.("[data-upload]")?.querySelector(".upload-progress");
  if (!part || !detail.lengthComputable) return;
  const percent = Math.floor((100 * detail.loaded) / detail.total);
  part.hidden = false;
  const bar = part.querySelector("progress");
  if (percent < 100) bar.value = percent;
  else bar.removeAttribute("value");
  part.querySelector("[data-upload-words]").textContent = percent < 100 ? interpolate(gettext("%s sent to the console"), [`${percent} %`]) : gettext("Being written to the host…");
});
