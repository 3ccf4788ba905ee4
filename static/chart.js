// The chart of a migration: remaining memory, transfer rate, dirty rate and how far the guest is slowed down, over seconds. A [data-chart] element names the
// JSON island of the whole series and the <data> element that each live message replaces with the latest sample.
const MIB = 1024 * 1024;
const ROWS = 60;
const charts = new Map();

const color = (element, name) => {
  const probe = document.createElement("span");
  probe.className = `chart-color-${name}`;
  element.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
};
const mib = (bytes) => (bytes === null || bytes === undefined || bytes === "" ? null : Number(bytes) / MIB);
const seconds = (value) => `${value} s`;
const BYTES = ["remaining_bytes", "rate_bytes", "dirty_bytes"];

function readSeries(element) {
  const series = JSON.parse(document.getElementById(element.dataset.chart).textContent);
  return [series.elapsed_s, ...BYTES.map((name) => series[name].map(mib)), series.throttle_percent];
}

function options(element) {
  const [text, line, remaining, rate, dirty, throttle] = ["text", "line", "remaining", "rate", "dirty", "throttle"].map((name) => color(element, name));
  const axis = { stroke: text, font: "12px system-ui, sans-serif", ticks: { show: false }, grid: { stroke: line, width: 1 } };
  return {
    width: element.clientWidth,
    height: element.clientHeight,
    legend: { show: false },
    cursor: { drag: { x: false, y: false } },
    scales: { x: { time: false }, left: { range: (_, low, high) => [0, Math.max(high, 1)] }, right: { range: (_, low, high) => [0, Math.max(high * 1.1, 1)] }, percent: { range: [0, 100] } },
    series: [
      {},
      { scale: "left", stroke: remaining, width: 2, fill: color(element, "remaining-soft"), points: { show: false } },
      { scale: "right", stroke: rate, width: 1.5, points: { show: false } },
      { scale: "right", stroke: dirty, width: 1.5, dash: [6, 4], points: { show: false } },
      { scale: "percent", stroke: throttle, width: 1.5, dash: [2, 3], paths: uPlot.paths.stepped({ align: 1 }), points: { show: false } },
    ],
    axes: [
      { ...axis, size: 28, values: (_, ticks) => ticks.map(seconds) },
      { ...axis, scale: "left", size: 56 },
      { ...axis, scale: "right", side: 1, size: 56, grid: { show: false } },
    ],
  };
}

// At most ROWS rows, evenly over the series, for who reads figures and not lines.
function fillTable(element, data) {
  const body = element.closest(".chart-box").querySelector("[data-chart-table]");
  if (!body.closest("details").open) return;
  const step = Math.max(1, Math.ceil(data[0].length / ROWS));
  const rows = data[0].map((_, index) => index).filter((index) => index % step === 0 || index === data[0].length - 1);
  body.replaceChildren(...rows.map((index) => {
    const row = document.createElement("tr");
    for (const column of data) row.insertCell().textContent = column[index] === null ? "–" : column[index].toFixed(1);
    return row;
  }));
}

function draw(element, data) {
  charts.get(element)?.plot.destroy();
  const plot = new uPlot(options(element), data, element);
  charts.set(element, { plot, data });
  fillTable(element, data);
}

function adopt() {
  for (const element of charts.keys()) {
    if (element.isConnected) continue;
    charts.get(element).plot.destroy();
    sizes.unobserve(element);
    charts.delete(element);
  }
  for (const element of document.querySelectorAll("[data-chart]")) {
    if (charts.has(element)) continue;
    draw(element, readSeries(element));
    sizes.observe(element);
    element.closest(".chart-box").querySelector("details").addEventListener("toggle", () => fillTable(element, charts.get(element).data));
  }
}

// The live part read itself again: its island holds the samples that were missed while the socket was away.
function reread() {
  adopt();
  for (const [element, { data }] of charts) {
    const fresh = readSeries(element);
    if (fresh[0].length && fresh[0].at(-1) > (data[0].at(-1) ?? -1)) draw(element, fresh);
  }
}

function addSample() {
  for (const [element, { plot, data }] of charts) {
    const sample = document.getElementById(element.dataset.sample);
    if (!sample?.value || Number(sample.value) <= (data[0].at(-1) ?? 0)) continue;
    data[0].push(Number(sample.value));
    ["remainingBytes", "rateBytes", "dirtyBytes"].forEach((name, index) => data[index + 1].push(mib(sample.dataset[name])));
    data[4].push(Number(sample.dataset.throttlePercent || 0));
    plot.setData(data);
    fillTable(element, data);
  }
}

const sizes = new ResizeObserver((entries) => {
  for (const { target } of entries) charts.get(target)?.plot.setSize({ width: target.clientWidth, height: target.clientHeight });
});
document.documentElement.addEventListener("theme", () => charts.forEach(({ data }, element) => draw(element, data)));
document.body.addEventListener("htmx:wsAfterMessage", addSample);
document.body.addEventListener("htmx:afterSettle", reread);
adopt();
