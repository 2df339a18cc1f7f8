// Candles of minutes over TradingView Lightweight Charts, given again as they grow. Texts are never HTML.
const LIBRARY = new URL("/candles/lightweight-charts.standalone.production.mjs", document.baseURI).href;
const charts = new WeakMap();

function make(L, place) {
  const chart = L.createChart(place, { autoSize: true, timeScale: { rightOffset: 3, timeVisible: true, secondsVisible: false },
    layout: { attributionLogo: true } });
  return { chart, candles: chart.addSeries(L.CandlestickSeries, {}, 0),
    volume: chart.addSeries(L.HistogramSeries, { priceFormat: { type: "volume" }, priceLineVisible: false, lastValueVisible: false }, 1) };
}

function colour({ chart, candles }, c) {
  chart.applyOptions({ layout: { background: { color: c.ground }, textColor: c.text }, rightPriceScale: { borderColor: c.muted + "55" },
    timeScale: { borderColor: c.muted + "55" }, grid: { vertLines: { color: c.muted + "22" }, horzLines: { color: c.muted + "22" } } });
  candles.applyOptions({ upColor: c.ground, borderUpColor: c.up, wickUpColor: c.up, downColor: c.down, borderDownColor: c.down, wickDownColor: c.down });
}

export default function ({ data, parentElement }) {
  const place = parentElement.querySelector(".chart");
  let alive = true;
  import(LIBRARY).then((L) => {
    if (!alive) return;
    let state = charts.get(place);
    if (!state) charts.set(place, (state = make(L, place)));
    colour(state, data.colours);
    const c = data.colours, bars = data.bars.map(([time, open, high, low, close, volume]) => ({ time, open, high, low, close, volume }));
    state.candles.setData(bars);
    state.volume.setData(bars.map((bar) => ({ time: bar.time, value: bar.volume, color: (bar.close >= bar.open ? c.up : c.down) + "88" })));
    if (state.symbol !== data.symbol) {
      state.chart.timeScale().setVisibleLogicalRange({ from: bars.length - 60, to: bars.length + 2 });
      state.chart.panes()[1]?.setStretchFactor(0.25);
    }
    state.symbol = data.symbol;
    place.setAttribute("aria-label", `Candles of ${data.symbol}, ${bars.length} minutes, times UTC.`);
    place.setAttribute("data-drawn", data.symbol);
    place.setAttribute("data-bars", bars.length);
  });
  return () => {
    alive = false;
    charts.get(place)?.chart.remove();
    charts.delete(place);
  };
}
