// The drawer with everything in progress: read when it opens, at each signal while it is open, and, while a bar moves in
// it, every two seconds, since figures change without a signal.
const body = document.body;
const drawer = document.getElementById("activity");
const list = document.getElementById("activity-list");
const EVERY_MS = 2000;

const read = () => { if (drawer.matches(":popover-open")) htmx.trigger(list, "activity"); };

drawer.addEventListener("toggle", read);
for (const name of ["live:open", "live:migrations", "live:acts"]) body.addEventListener(name, read);
setInterval(() => { if (list.querySelector("progress")) read(); }, EVERY_MS);
