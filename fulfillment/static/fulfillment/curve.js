"use strict";
/* The live curve of power and energy: where do its lines, pauses and gaps lie, and what does it say under a finger?
   Drawn by uPlot once that is here; until then, and without it, the server's drawing stands. */
window.liveCurve = ({ words, started, clock, clockS, figures }) => {
  const body = document.body;
  const one = (selector) => document.querySelector(selector);
  const colour = (name) => getComputedStyle(body).getPropertyValue(name).trim();
  let chart = null, asked = false, grid = {};

  const between = (from, until) => figures().gaps.find(([begin, end]) => from <= begin && end <= until);
  const label = (at) => (started ? clockS.format(new Date(at * 1000)) : `${Math.floor(at / 60)}:${String(Math.floor(at % 60)).padStart(2, "0")}`);

  /* What the station's clock is ahead of UTC, s: its full hours are where the grid lies. */
  const ahead = (() => {
    const begin = new Date(started * 1000), [hour, minute] = clock.format(begin).split(":");
    return started ? (hour * 60 + Number(minute) - begin.getUTCHours() * 60 - begin.getUTCMinutes() + 1440) % 1440 * 60 : 0;
  })();

  const columns = () => {
    const { series, gaps } = figures(), rows = [];
    for (const row of series) {
      const gap = rows.length && between(rows[rows.length - 1][0], row[0]);
      if (gap) { rows.push([(gap[0] + gap[1]) / 2, null, null]); }
      rows.push(row);
    }
    const end = Math.max(0, ...gaps.map(([, until]) => until));
    if (rows.length && end > rows[rows.length - 1][0]) { rows.push([end, null, null]); }
    const kilo = (value) => (value === null ? null : value / 1000);
    const found = [rows.map((row) => started + ahead + row[0]), rows.map((row) => kilo(row[1])), rows.map((row) => kilo(row[2]))];
    grid = shared(Math.max(0, ...found[1]) || 1, Math.max(0, ...found[2]) || 1);
    return found;
  };

  /* One grid for both scales: as many round steps for kW as for kWh, with the least room left above the lines. */
  const ROUND = [1, 2, 2.5, 3, 4, 5, 6, 8, 10];
  const stepOf = (most, steps) => {
    const unit = 10 ** Math.floor(Math.log10(most / steps));
    return unit * ROUND.find((each) => each * unit >= most / steps - 1e-9);
  };
  const shared = (kw, kwh) => [3, 4, 5].map((steps) => ({ steps, kw: stepOf(kw, steps), kwh: stepOf(kwh, steps) }))
    .reduce((best, next) => (next.kw * next.kwh * next.steps ** 2 < best.kw * best.kwh * best.steps ** 2 ? next : best));
  const range = (name) => () => [0, grid[name] * grid.steps];
  const splits = (name) => () => Array.from({ length: grid.steps + 1 }, (_, place) => place * grid[name]);

  const pauses = (series) => {
    const found = [];
    series.forEach((row, place) => {
      const last = series[place - 1];
      if (!last || last[1] || row[1] || between(last[0], row[0])) { return; }
      if (found.length && found[found.length - 1][1] === last[0]) { found[found.length - 1][1] = row[0]; } else { found.push([last[0], row[0]]); }
    });
    return found;
  };

  const bands = (plot) => {
    const { ctx, bbox } = plot;
    const x = (at) => Math.round(Math.min(bbox.left + bbox.width, Math.max(bbox.left, plot.valToPos(started + ahead + at, "x", true))));
    ctx.save();
    ctx.fillStyle = colour("--pause");
    for (const [begin, end] of pauses(figures().series)) { ctx.fillRect(x(begin), bbox.top, x(end) - x(begin), bbox.height); }
    ctx.strokeStyle = colour("--edge");
    for (const [begin, end] of figures().gaps) {
      ctx.save();
      ctx.beginPath();
      ctx.rect(x(begin), bbox.top, Math.max(2, x(end) - x(begin)), bbox.height);
      ctx.clip();
      ctx.beginPath();
      for (let at = x(begin) - bbox.height; at < x(end); at += 10 * devicePixelRatio) {
        ctx.moveTo(at, bbox.top + bbox.height);
        ctx.lineTo(at + bbox.height, bbox.top);
      }
      ctx.stroke();
      ctx.restore();
    }
    ctx.restore();
  };

  const readout = (plot) => {
    const line = one("[data-readout]"), at = plot.cursor.idx;
    const [xs, kw, kwh] = plot.data;
    const known = at !== null && at !== undefined, time = known ? label(xs[at] - ahead) : "";
    line.textContent = !known ? "" : kw[at] === null ? `${time} · ${words.gap}` : `${time} · ${kw[at].toFixed(1)} kW · ${kwh[at].toFixed(2)} kWh`;
  };

  const options = (place) => {
    const font = `13px ${getComputedStyle(body).fontFamily}`;
    const axis = { stroke: colour("--quiet"), font, gap: 4, grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false } };
    const long = () => figures().series[figures().series.length - 1][0] > 300;
    const short = (at) => (started && long() ? clock.format(new Date(at * 1000)) : label(at));
    const plain = (plot, values) => values.map((value) => String(Number(value.toFixed(2))));
    return {
      width: place.clientWidth, height: place.clientHeight, legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false } },
      scales: { x: { time: false }, kw: { range: range("kw") }, kwh: { range: range("kwh") } },
      series: [
        {},
        { scale: "kw", stroke: colour("--go"), fill: colour("--power-ground"), width: 2, points: { show: false } },
        { scale: "kwh", stroke: colour("--flow"), width: 2, dash: [6, 4], points: { show: false } },
      ],
      axes: [
        { ...axis, space: 64, size: 28, gap: 8, incrs: [1, 2, 5, 10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400], values: (plot, at) => at.map((each) => short(each - ahead)) },
        { ...axis, scale: "kw", size: 34, splits: splits("kw"), values: plain },
        { ...axis, scale: "kwh", size: 36, side: 1, grid: { show: false }, splits: splits("kwh"), values: plain },
      ],
      hooks: { drawClear: [bands], setCursor: [readout] },
    };
  };

  const drop = () => { if (chart) { chart.destroy(); chart = null; } };

  const draw = () => {
    const here = one("[data-chart-place]");
    if (!here || figures().series.length < 2) { return; }
    if (!window.uPlot) { load(); return; }
    if (chart) { chart.setData(columns()); return; }
    one("[data-chart-frame]").hidden = false;
    one("[data-drawing]").hidden = true;
    here.setAttribute("role", "img");
    here.setAttribute("aria-label", words.chart);
    const data = columns();
    chart = new window.uPlot(options(here), data, here);
    new ResizeObserver(() => { if (chart && here.clientWidth) { chart.setSize({ width: here.clientWidth, height: here.clientHeight }); } }).observe(here);
  };

  const load = () => {
    if (asked) { return; }
    asked = true;
    const style = document.createElement("link"), script = document.createElement("script");
    style.rel = "stylesheet";
    style.href = body.dataset.chartCss;
    script.src = body.dataset.chart;
    style.onload = () => document.head.append(script);
    script.onload = draw;
    document.head.append(style);
  };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { drop(); draw(); });
  if (document.readyState === "complete") { draw(); } else { window.addEventListener("load", draw); }

  return { draw, drop, label };
};
