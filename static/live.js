// One socket per page. The ws extension of htmx connects, reconnects and swaps fragments by id; this adds what it lacks:
// the banner, `live:open` (the live part reads itself again) and `live:<topic>` for a message that is only a signal.
const body = document.body;
const socket = document.getElementById("live");
const announcer = document.getElementById("announcer");
const GONE_AWAY = [1000, 1001]; // a server that was stopped tidily; the extension reconnects on the other codes by itself
const STATES = { 4401: "signed-out", 4403: "forbidden" };
const PER_TOPIC_MS = 1000;
const OF_ALL_VMS = ["vms", "vm-list"]; // told of any guest of the fleet; the rows on the page are told of by themselves
const OF_ALL_VMS_MS = 5000;
const waiting = new Map();
const [NOT_YET, PASSED, AGAIN] = ["not yet", "passed", "again"];
const stateOfPage = () => document.querySelector("[data-announce]")?.dataset.announce;
let attempts = 0;
let said = stateOfPage();

const pause = () => Math.min(500 * 2 ** attempts++, 8000) * (0.5 + Math.random() / 2);
htmx.config.wsReconnectDelay = pause;

// The first signal of a topic, then at most one per second, and never without the last. Where many pages listen to it, the
// server says over how many milliseconds they are to spread, and this one waits by lot.
function tell(topic, spread) {
  if (waiting.has(topic)) {
    if (waiting.get(topic) !== NOT_YET) waiting.set(topic, AGAIN);
    return;
  }
  waiting.set(topic, NOT_YET);
  if (spread) setTimeout(pass, Math.random() * spread, topic, spread);
  else pass(topic, spread);
}

function pass(topic, spread) {
  waiting.set(topic, PASSED);
  htmx.trigger(body, `live:${topic}`);
  htmx.trigger(body, "live:topic", { topic });
  setTimeout(() => {
    const again = waiting.get(topic) === AGAIN;
    waiting.delete(topic);
    if (again) tell(topic, spread);
  }, Math.max(OF_ALL_VMS.includes(topic) ? OF_ALL_VMS_MS : PER_TOPIC_MS, spread));
}

// What is shown in few words comes with the signal, and is put in place before anything is read again.
function putLeaves(signal) {
  for (const leaf of signal.querySelectorAll("[data-leaf]")) {
    for (const old of document.querySelectorAll(`[data-leaf="${leaf.dataset.leaf}"]`)) {
      if (!signal.contains(old)) old.replaceWith(leaf.cloneNode(true));
    }
  }
  signal.replaceChildren();
}

// The rows that rows.js has found on the page: the socket listens to these beside its page's topics.
let send = null;
body.addEventListener("live:listen", ({ detail }) => send?.(JSON.stringify({ rows: detail })));

body.addEventListener("htmx:wsOpen", ({ detail }) => {
  attempts = 0;
  send = (text) => detail.socketWrapper.sendImmediately(text);
  body.dataset.live = "open";
  htmx.trigger(body, "live:open");
});

body.addEventListener("htmx:wsClose", ({ detail }) => {
  const { code } = detail.event;
  body.dataset.live = STATES[code] ?? "closed";
  if (GONE_AWAY.includes(code)) setTimeout(() => detail.socketWrapper.reconnect(), pause());
});

body.addEventListener("htmx:wsAfterMessage", () => {
  const signal = document.getElementById("live-signal");
  if (signal?.dataset.topic) {
    const { topic, spread } = signal.dataset;
    delete signal.dataset.topic;
    putLeaves(signal);
    tell(topic, Number(spread ?? 0));
  }
  announce();
});
body.addEventListener("htmx:afterSettle", announce); // what changed while the socket was away comes by a re-read

// Spoken when the state changes, not at every figure, nor when the page opens: the node stays, only its text changes.
function announce() {
  const now = stateOfPage();
  if (now && now !== said) announcer.textContent = now;
  said = now;
}

// A page that comes back from the browser's cache has a dead socket and old figures.
addEventListener("pageshow", (event) => { if (event.persisted && socket) location.reload(); });
