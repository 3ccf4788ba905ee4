// The consoles of a guest. Each has one WebSocket, let in by a ticket that works once. Its binary messages are the console's
// bytes, its text messages say how it stands. The server follows the guest from host to host; a screen then starts anew on
// the same socket, and the old picture stays until the new one is drawn.
const root = document.getElementById("consoles");
const body = document.body;
const announcer = document.getElementById("announcer");
const dialog = document.getElementById("paste");
const STAYS_CLOSED = { 4401: gettext("Signed out"), 4403: gettext("Not allowed"), 4408: gettext("Closed: not used"), 4409: gettext("In use by somebody else"), 4429: gettext("Too many consoles"), 4500: gettext("Not connected") };
const MAX_WAIT_MS = 8000;
const KEY_PAUSE_MS = 8;
const CTRL_ALT_DEL = gettext("Control, Alt, Delete were sent.");
const XK_RETURN = 0xff0d, XK_TAB = 0xff09, XK_SHIFT = 0xffe1;

// xterm.js makes style elements; the content policy lets in those that carry the page's nonce.
const create = document.createElement.bind(document);
document.createElement = (name, ...more) => {
  const made = create(name, ...more);
  if (String(name).toLowerCase() === "style") made.nonce = root.dataset.nonce;
  return made;
};

class Console {
  constructor(section) {
    this.section = section;
    this.kind = section.dataset.console;
    this.view = section.querySelector("[data-view]");
    this.attempts = 0;
    section.addEventListener("click", (event) => {
      const button = event.target.closest("[data-act]");
      if (button) this.act(button.dataset.act, button);
    });
  }

  show(state, words, { message = "", hint = "" } = {}) {
    this.section.dataset.state = state;
    const line = this.section.querySelector(".console-state");
    if (line.textContent !== words) line.textContent = words;
    const box = this.section.querySelector(".console-message");
    box.hidden = !message;
    box.querySelector(".console-message-text").textContent = message;
    box.querySelector(".console-message-hint").textContent = hint;
    box.querySelector("[data-act=take-over]").hidden = true;
  }

  async connect({ force = false } = {}) {
    clearTimeout(this.timer);
    this.hangUp();
    this.told = undefined;
    this.show("connecting", gettext("Connecting…"));
    let answer;
    try {
      answer = await fetch(root.dataset.tickets, {
        method: "POST", body: JSON.stringify({ kind: this.kind, force }),
        headers: { "Content-Type": "application/json", "X-CSRFToken": root.dataset.csrf, "X-Asked-By-Page": "1" },
      });
    } catch {
      return this.later(gettext("The console can't be reached."));
    }
    const said = await answer.json().catch(() => ({}));
    if (!answer.ok) return this.refused(said, answer.status);
    const url = new URL(said.path, location.href);
    url.protocol = url.protocol.replace("http", "ws");
    const socket = new WebSocket(url, ["kvmconsole", `ticket.${said.ticket}`]);
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    socket.onmessage = ({ data }) => (typeof data === "string" ? this.heard(JSON.parse(data)) : this.took(data));
    socket.onclose = ({ code }) => { if (this.socket === socket) this.closed(code); };
  }

  refused(said, status) {
    if (status >= 500) return this.later(said.detail);
    this.show("error", gettext("Not connected"), { message: said.detail ?? gettext("The console refused."), hint: said.hint ?? "" });
  }

  heard({ state, host, title, message, hint }) {
    if (state === "open") {
      const moved = this.host && this.host !== host;
      this.host = host;
      this.attempts = 0;
      this.begin(() => this.show("open", interpolate(gettext("Connected on %s"), [host])));
      if (moved) announcer.textContent = interpolate(this.kind === "screen" ? gettext("The screen goes on, now on %s.") : gettext("The serial console goes on, now on %s."), [host]);
      this.section.dataset.host = host;
    } else if (state === "closed") this.told ??= { message };
    else if (state === "connecting") this.show("connecting", interpolate(gettext("Connecting to %s…"), [host]));
    else if (state === "waiting") this.show("waiting", gettext("Waiting…"), { message });
    else if (state === "error") {
      this.told = { message, hint };
      this.show("error", title, this.told);
    }
  }

  closed(code) {
    this.socket = undefined;
    if (!(code in STAYS_CLOSED)) return this.later(gettext("The connection was lost."));
    this.show("error", STAYS_CLOSED[code], this.told);
    this.section.querySelector("[data-act=take-over]").hidden = code !== 4409;
  }

  later(message) {
    const pause = Math.min(300 * 2 ** this.attempts++, MAX_WAIT_MS) * (0.7 + Math.random() * 0.3);
    this.show("waiting", gettext("Reconnecting…"), { message: this.attempts > 2 ? message : "" });
    this.timer = setTimeout(() => this.connect(), pause);
  }

  hangUp() {
    const socket = this.socket;
    this.socket = undefined;
    socket?.close();
  }

  send(data) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(data);
  }

  act(name) {
    if (name === "reconnect") this.connect();
    else if (name === "take-over") this.connect({ force: true });
    else if (name === "full-screen") document.fullscreenElement ? document.exitFullscreen() : this.section.requestFullscreen();
    else if (name === "paste") this.askForText();
  }

  askForText() {
    const text = document.getElementById("paste-text");
    document.getElementById("paste-clipboard").hidden = this.kind !== "screen";
    document.getElementById("paste-hint").hidden = this.kind !== "screen";
    dialog.onclose = () => {
      if (dialog.returnValue === "type") this.type(text.value);
      if (dialog.returnValue === "clipboard") this.rfb?.clipboardPasteFrom(text.value);
      text.value = "";
      this.focus();
    };
    dialog.returnValue = "";
    // In full screen only what is inside is drawn.
    (document.fullscreenElement ?? body).append(dialog);
    dialog.showModal();
    text.focus();
  }
}

class Screen extends Console {
  // What noVNC takes for a WebSocket: the bytes of one line, until the next begins.
  channel() {
    const line = {
      binaryType: "arraybuffer", protocol: "", readyState: "open", onopen: null, onmessage: null, onerror: null, onclose: null,
      send: (data) => { if (this.line === line) this.send(data); },
      close() {
        line.readyState = "closed";
        setTimeout(() => line.onclose?.({ code: 1000, reason: "", wasClean: true }));
      },
    };
    return line;
  }

  async begin(ready) {
    const { default: RFB } = await import(root.dataset.novnc);
    const old = { rfb: this.rfb, place: this.place };
    const place = create("div");
    place.className = "is-coming";
    this.view.append(place);
    const line = this.channel();
    this.line = line;
    const rfb = new RFB(place, line, { shared: true });
    Object.assign(this, { rfb, place });
    rfb.scaleViewport = this.fits ?? true;
    rfb.background = "#0b0f14";
    rfb.addEventListener("connect", () => {
      const hadFocus = this.view.contains(document.activeElement);
      place.className = "";
      this.drop(old);
      if (hadFocus) rfb.focus();
      ready();
    });
    rfb.addEventListener("disconnect", () => { if (this.rfb === rfb && !this.socket) this.line = undefined; });
    rfb.addEventListener("clipboard", ({ detail }) => this.copied(detail.text));
    this.send(JSON.stringify({ ready: true }));
  }

  drop({ rfb, place }) {
    try { rfb?.disconnect(); } catch { /* it had ended by itself */ }
    place?.remove();
  }

  took(data) { this.line?.onmessage?.({ data }); }
  focus() { this.rfb?.focus(); }

  // Kept until the person asks for it: a guest must not write to anybody's clipboard by itself.
  copied(text) {
    this.text = text;
    this.section.querySelector("[data-act=copy]").hidden = false;
  }

  async type(text) {
    const { rfb } = this;
    for (const character of text.replaceAll("\r\n", "\n")) {
      const code = character.codePointAt(0);
      const key = character === "\n" ? XK_RETURN : character === "\t" ? XK_TAB : code < 0x100 ? code : 0x01000000 | code;
      const shifted = /[A-Z~!@#$%^&*()_+{}|:"<>?]/.test(character);
      if (shifted) rfb.sendKey(XK_SHIFT, "ShiftLeft", true);
      rfb.sendKey(key, null);
      if (shifted) rfb.sendKey(XK_SHIFT, "ShiftLeft", false);
      await new Promise((done) => { setTimeout(done, KEY_PAUSE_MS); });
    }
  }

  act(name, button) {
    if (name === "ctrl-alt-del") {
      this.rfb?.sendCtrlAltDel();
      announcer.textContent = CTRL_ALT_DEL;
      this.focus();
    } else if (name === "copy") {
      navigator.clipboard?.writeText(this.text).then(() => { announcer.textContent = gettext("Copied."); });
    } else if (name === "scale") {
      this.fits = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", this.fits);
      if (this.rfb) Object.assign(this.rfb, { scaleViewport: this.fits, clipViewport: !this.fits, dragViewport: !this.fits });
    } else super.act(name, button);
  }
}

class Serial extends Console {
  async begin(ready) {
    if (!this.terminal) await this.make();
    ready();
  }

  async make() {
    const { Terminal, FitAddon } = await import(root.dataset.xterm);
    const place = create("div");
    this.view.append(place);
    const options = { scrollback: 5000, fontSize: 14, screenReaderMode: true, convertEol: false, theme: { background: "#0b0f14" } };
    this.terminal = new Terminal(options);
    const fit = new FitAddon();
    this.terminal.loadAddon(fit);
    this.terminal.open(place);
    new ResizeObserver(() => fit.fit()).observe(place);
    const encoder = new TextEncoder();
    this.terminal.onData((text) => this.send(encoder.encode(text)));
    this.terminal.onBinary((text) => this.send(Uint8Array.from(text, (character) => character.charCodeAt(0))));
    for (const data of this.early ?? []) this.terminal.write(new Uint8Array(data));
    this.early = undefined;
  }

  took(data) {
    if (this.terminal) this.terminal.write(new Uint8Array(data));
    else (this.early ??= []).push(data);
  }

  focus() { this.terminal?.focus(); }
  type(text) { this.terminal?.paste(text); }
}

const consoles = [...root.querySelectorAll("[data-console]")].map((section) =>
  section.dataset.console === "screen" ? new Screen(section) : new Serial(section));
for (const one of consoles) one.connect();

// The way out for the keyboard: noVNC and xterm.js take every other key, Tab too.
addEventListener("keydown", (event) => {
  if (!(event.ctrlKey && event.altKey && event.shiftKey && event.code === "KeyQ")) return;
  const inside = document.activeElement?.closest("[data-console]");
  if (!inside) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  document.activeElement.blur();
  inside.querySelector(".console-buttons button").focus();
  announcer.textContent = gettext("The keyboard is back with the page.");
}, true);
addEventListener("pagehide", () => { for (const one of consoles) one.hangUp(); });
