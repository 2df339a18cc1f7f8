// Cards as links: a plain click goes there within the page, any other as the browser likes. Texts are never HTML.
const NS = "http://www.w3.org/2000/svg";
const STATES = { stale: "warn", partial: "warn", degraded: "down", withheld: "down" };

function element(kind, name, text) {
  const made = document.createElement(kind);
  made.className = name;
  if (text !== undefined) made.textContent = text;
  return made;
}

function sparkline(closes, colour) {
  const svg = document.createElementNS(NS, "svg");
  svg.setAttribute("viewBox", "0 0 100 30");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  const low = Math.min(...closes), span = Math.max(...closes) - low || 1;
  const points = closes.map((close, i) => `${(100 * i) / Math.max(closes.length - 1, 1)},${28 - (26 * (close - low)) / span}`);
  const line = document.createElementNS(NS, "polyline");
  line.setAttribute("points", points.join(" "));
  line.setAttribute("fill", "none");
  line.setAttribute("stroke", colour);
  line.setAttribute("stroke-width", "1.6");
  line.setAttribute("vector-effect", "non-scaling-stroke");
  svg.append(line);
  return svg;
}

function card(each, colours, signs, choose) {
  const link = element("a", each.state === "current" ? "card" : "card other");
  link.href = `symbol?symbol=${encodeURIComponent(each.symbol)}`;
  link.style.setProperty("--tone", colours[STATES[each.state] || "muted"]);
  link.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    choose(each.symbol);
  });
  const up = (each.change ?? 0) >= 0, colour = each.change === null ? colours.muted : up ? colours.up : colours.down;
  const change = each.change === null ? "–" : `${up ? "▲ +" : "▼ −"}${Math.abs(each.change).toFixed(2)} %`;
  const head = element("div", "head"), figures = element("div", "figures"), moved = element("span", "change", change);
  head.append(element("span", "symbol", each.symbol));
  moved.style.color = colour;
  const close = each.close.toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
  figures.append(element("span", "close", close), moved);
  link.append(head, element("div", "name", each.name), figures, sparkline(each.closes, colour));
  if (each.state !== "current") link.append(element("div", "state", `${signs[each.state] || "○"} ${each.state}: ${each.words}`));
  link.title = `${each.symbol} ${each.name} ${each.day}${each.words ? `: ${each.words}` : ""}`;
  const item = element("div", "item");
  item.setAttribute("role", "listitem");
  item.append(link);
  return item;
}

export default function ({ data, parentElement, setTriggerValue }) {
  const grid = parentElement.querySelector(".cards");
  grid.replaceChildren(...data.cards.map((each) => card(each, data.colours, data.signs, (s) => setTriggerValue("chosen", s))));
}
