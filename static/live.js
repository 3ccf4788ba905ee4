// One socket per page. The ws extension of htmx connects, reconnects and swaps fragments by id; this adds what it lacks:
// the banner, `live:open` (the live part reads itself again) and `live:<topic>` for a message that is only a signal.
const body = document.body;
const socket = document.getElementById("live");
const announcer = document.getElementById("announcer");
const GONE_AWAY = [1000, 1001]; // a server that was stopped tidily; the extension reconnects on the other codes by itself
const STATES = { 4401: "signed-out", 4403: "forbidden" };
const PER_TOPIC_MS = 1000;
const OF_ALL_VMS_MS = 5000; // "vms" is told of any guest of the fleet; the rows on the page are told of by themselves
const waiting = new Map();
let attempts = 0;

const pause = () => Math.min(500 * 2 ** attempts++, 8000) * (0.5 + Math.random() / 2);
htmx.config.wsReconnectDelay = pause;

// At once for the first signal of a topic, then at most one per second, and never without the last.
function tell(topic) {
  if (waiting.has(topic)) {
    waiting.set(topic, true);
    return;
  }
  waiting.set(topic, false);
  htmx.trigger(body, `live:${topic}`);
  htmx.trigger(body, "live:topic", { topic });
  setTimeout(() => {
    const again = waiting.get(topic);
    waiting.delete(topic);
    if (again) tell(topic);
  }, topic === "vms" ? OF_ALL_VMS_MS : PER_TOPIC_MS);
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
    tell(signal.dataset.topic);
    delete signal.dataset.topic;
  }
  // Spoken when the state changes, not at every figure: the node stays, only its text changes.
  const said = document.querySelector("[data-announce]")?.dataset.announce;
  if (said && announcer.textContent !== said) announcer.textContent = said;
});

// A page that comes back from the browser's cache has a dead socket and old figures.
addEventListener("pageshow", (event) => { if (event.persisted && socket) location.reload(); });
