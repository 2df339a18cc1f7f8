// Candles, averages, volume, RSI and MACD over TradingView Lightweight Charts, which the dashboard's own server hands out.
// The chart is made once and given other rows when the symbol changes. Texts are never HTML.
const LIBRARY = new URL("/candles/lightweight-charts.standalone.production.mjs", document.baseURI).href;
const charts = new WeakMap();
const figure = (value, digits = 2) =>
  value === null || value === undefined ? "–" : value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });

function make(L, place) {
  const chart = L.createChart(place, { autoSize: true, rightPriceScale: { minimumWidth: 64 }, timeScale: { rightOffset: 3 },
    layout: { attributionLogo: true, panes: { enableResize: true } }, crosshair: { mode: L.CrosshairMode.Normal } });
  const line = (pane, width = 1.5) => chart.addSeries(L.LineSeries,
    { lineWidth: width, priceLineVisible: false, lastValueVisible: false, crosshairMarkerVisible: false }, pane);
  const series = {
    candles: chart.addSeries(L.CandlestickSeries, { priceLineVisible: false }, 0),
    sma_50: line(0), sma_200: line(0), bollinger_upper: line(0, 1), bollinger_lower: line(0, 1),
    volume: chart.addSeries(L.HistogramSeries, { priceFormat: { type: "volume" }, priceLineVisible: false, lastValueVisible: false }, 1),
    rsi_14: line(2), macd: line(3), macd_signal: line(3),
    macd_histogram: chart.addSeries(L.HistogramSeries, { priceLineVisible: false, lastValueVisible: false }, 3),
  };
  const levels = [70, 30].map((price) => series.rsi_14.createPriceLine({ price, lineWidth: 1, lineStyle: 2, axisLabelVisible: true }));
  chart.panes().forEach((pane, i) => pane.setStretchFactor([5, 1.1, 1.1, 1.3][i]));
  return { chart, series, levels, marks: L.createSeriesMarkers(series.candles, []) };
}

function colour(state, c) {
  const { chart, series } = state;
  chart.applyOptions({ layout: { background: { color: c.ground }, textColor: c.text,
    panes: { separatorColor: c.muted + "55", separatorHoverColor: c.muted + "33" } },
    rightPriceScale: { borderColor: c.muted + "55" }, timeScale: { borderColor: c.muted + "55" },
    grid: { vertLines: { color: c.muted + "22" }, horzLines: { color: c.muted + "22" } } });
  series.candles.applyOptions({ upColor: c.ground, borderUpColor: c.up, wickUpColor: c.up, downColor: c.down, borderDownColor: c.down, wickDownColor: c.down });
  series.sma_50.applyOptions({ color: c.average_50 });
  series.sma_200.applyOptions({ color: c.average_200 });
  for (const name of ["bollinger_upper", "bollinger_lower"]) series[name].applyOptions({ color: c.muted });
  series.rsi_14.applyOptions({ color: c.accent });
  for (const level of state.levels) level.applyOptions({ color: c.muted, axisLabelColor: c.muted, axisLabelTextColor: c.ground });
  series.macd.applyOptions({ color: c.accent });
  series.macd_signal.applyOptions({ color: c.down });
}

function fill(state, data) {
  const rows = {};
  for (const field of data.rows.schema.fields) rows[field.name] = [...data.rows.getChild(field.name)];
  const c = data.colours, n = rows.time.length, times = rows.time;
  const rose = (i) => rows.close[i] >= rows.open[i];
  state.series.candles.setData(times.map((time, i) => ({ time, open: rows.open[i], high: rows.high[i], low: rows.low[i], close: rows.close[i] })));
  for (const name of ["sma_50", "sma_200", "bollinger_upper", "bollinger_lower", "rsi_14", "macd", "macd_signal"])
    state.series[name].setData(times.map((time, i) => (rows[name][i] === null ? { time } : { time, value: rows[name][i] })));
  state.series.volume.setData(times.map((time, i) => (rows.volume[i] === null ? { time } : { time, value: rows.volume[i], color: (rose(i) ? c.up : c.down) + "88" })));
  state.series.macd_histogram.setData(times.map((time, i) =>
    rows.macd_histogram[i] === null ? { time } : { time, value: rows.macd_histogram[i], color: (rows.macd_histogram[i] >= 0 ? c.up : c.down) + "88" }));
  // splits and dividends, and the patterns of candles by their direction; what they are, the legend tells
  const looks = {
    split: { position: "aboveBar", shape: "arrowDown", color: c.text, size: 1.4 }, dividend: { position: "belowBar", shape: "circle", color: c.warn, size: 0.5 },
    bullish: { position: "belowBar", shape: "arrowUp", color: c.up, size: 0.6 }, bearish: { position: "aboveBar", shape: "arrowDown", color: c.down, size: 0.6 },
    neutral: { position: "aboveBar", shape: "circle", color: c.muted, size: 0.3 } };
  const known = data.actions.filter((each) => looks[each.kind]).sort((one, other) => one.day.localeCompare(other.day));
  state.marks.setMarkers(known.map((each) => ({ ...looks[each.kind], time: Date.parse(each.day + "T00:00:00Z") / 1000, text: each.kind === "split" ? each.text : "" })));
  state.rows = rows;
  state.actions = new Map();
  for (const each of known) state.actions.set(each.day, [state.actions.get(each.day), each.text].filter(Boolean).join("; "));
  state.at = n - 1;
}

function tell(state, legend, data, at) {
  const r = state.rows, day = new Date(r.time[at] * 1000).toISOString().slice(0, 10), c = data.colours;
  const title = document.createElement("b");
  title.textContent = `${data.symbol} ${day}`;
  const parts = [["O", r.open], ["H", r.high], ["L", r.low], ["C", r.close]].map(([name, of]) => [`${name} ${figure(of[at])}`, ""]);
  parts.push([`V ${figure(r.volume[at], 0)}`, ""], [`MA50 ${figure(r.sma_50[at])}`, c.average_50], [`MA200 ${figure(r.sma_200[at])}`, c.average_200],
    [`Bollinger ${figure(r.bollinger_lower[at])} to ${figure(r.bollinger_upper[at])}`, c.muted], [`RSI ${figure(r.rsi_14[at], 1)}`, c.accent], [`MACD ${figure(r.macd[at])}`, c.accent]);
  if (state.actions.has(day)) parts.push([state.actions.get(day), c.warn]);
  legend.replaceChildren(title, ...parts.map(([words, tone]) => {
    const part = document.createElement("span");
    part.textContent = words;
    if (tone) part.style.color = tone;
    return part;
  }));
}

function keys(state, legend) {
  return (event) => {
    const scale = state.chart.timeScale(), range = scale.getVisibleLogicalRange(), n = state.rows.time.length;
    if (!range) return;
    const width = range.to - range.from;
    const show = (from, to) => scale.setVisibleLogicalRange({ from, to });
    const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -21, PageDown: 21 }[event.key];
    if (step) {
      state.at = Math.min(n - 1, Math.max(0, state.at + step));
      state.chart.setCrosshairPosition(state.rows.close[state.at], state.rows.time[state.at], state.series.candles);
      if (state.at < range.from) show(state.at, state.at + width);
      if (state.at > range.to) show(state.at - width, state.at);
      tell(state, legend, state.data, state.at);
    } else if (event.key === "Home") show(0, width);
    else if (event.key === "End") show(n - width, n);
    else if (event.key === "+" || event.key === "-") {
      const wider = event.key === "-" ? 1.25 : 0.8;
      show(range.to - width * wider, range.to);
    } else return;
    event.preventDefault();
  };
}

function download(state, data) {
  const link = document.createElement("a");
  link.download = `${data.symbol.replace(/[^A-Za-z0-9._-]/g, "_")}.png`;
  link.href = state.chart.takeScreenshot().toDataURL("image/png");
  link.click();
}

export default function ({ data, parentElement }) {
  const place = parentElement.querySelector(".chart"), legend = parentElement.querySelector(".legend");
  let alive = true;
  import(LIBRARY).then((L) => {
    if (!alive) return;
    let state = charts.get(place);
    if (!state) {
      state = make(L, place);
      charts.set(place, state);
      state.chart.subscribeCrosshairMove((move) => {
        const at = move.logical === undefined || move.logical === null ? state.rows.time.length - 1 : Math.round(move.logical);
        if (at >= 0 && at < state.rows.time.length) tell(state, legend, state.data, (state.at = at));
      });
      place.addEventListener("keydown", keys(state, legend));
      parentElement.querySelector(".png").addEventListener("click", () => download(state, state.data));
    }
    state.data = data;
    colour(state, data.colours);
    fill(state, data);
    const n = state.rows.time.length, wanted = `${data.symbol} ${data.first} ${n}`;
    if (state.shown !== wanted) state.chart.timeScale().setVisibleLogicalRange({ from: data.first - 0.5, to: n + 2 });
    state.shown = wanted;
    tell(state, legend, data, n - 1);
    place.setAttribute("aria-label", `Candles of ${data.symbol}, ${n} sessions, ${data.note}. Arrow keys move, plus and minus zoom.`);
    requestAnimationFrame(() => requestAnimationFrame(() => place.setAttribute("data-drawn", data.symbol)));
  });
  return () => {
    alive = false;
    charts.get(place)?.chart.remove();
    charts.delete(place);
  };
}
