// The page: which step is shown, what is folded, and the drawing and the panel that follow from them.

const WORDS = {
  zh: {
    forward: "前向", backward: "反向", of: "/", computes: "算出", arrives: "梯度到达", value: "值", gradient: "到达的梯度",
    sends: "送出的梯度", inputs: "输入", formula: "公式", rule: "导数规则", source: "源代码", sum: "各处送来，相加",
    summed: "广播被撤销：沿轴求和", unknown: "未保留", many: "（多个输出）", right: "有限差分检验：一致", wrong: "有限差分检验：不一致",
    fault: "NaN 或无穷在这里第一次出现", fold: "折叠 / 展开各层", search: "搜索", constant: "常数", start: "从这里开始",
    notYet: "这一步还没有走到", shape: "形状", range: "最小 … 最大，平均", sampled: "抽样显示", layer: "层", ops: "个运算",
    click: "点击展开", close: "折叠这一层", first: "最前", back: "后退", play: "播放 / 暂停", next: "前进", last: "最后", step: "步骤",
    graph: "计算图", theme: "明暗", kinds: { parameter: "参数", input: "叶子", op: "运算", view: "视图", part: "输出之一", result: "结果" },
  },
  en: {
    forward: "Forward", backward: "Backward", of: "/", computes: "computes", arrives: "gradient arrives at", value: "Value",
    gradient: "Gradient that arrives", sends: "Gradients sent on", inputs: "Inputs", formula: "Formula", rule: "Rule",
    source: "Source", sum: "added up from all that it feeds", summed: "broadcasting undone: summed over axes",
    unknown: "not kept", many: "(several outputs)", right: "finite differences agree", wrong: "finite differences disagree",
    fault: "NaN or infinity appears here first", fold: "Fold / unfold layers", search: "Search", constant: "constant",
    start: "starts here", notYet: "not reached at this step", shape: "shape", range: "least … most, mean",
    sampled: "a sample is shown", layer: "layer", ops: "op(s)", click: "click to unfold", close: "fold this layer", first: "First", back: "Back",
    play: "Play / pause", next: "Next", last: "Last", step: "Step", graph: "Graph", theme: "Light / dark",
    kinds: { parameter: "parameter", input: "leaf", op: "op", view: "view", part: "one output", result: "result" },
  },
};

const $ = (id) => document.getElementById(id);
const data = JSON.parse($("data").textContent);
const entries = data.entries;
const made = entries.map((_, i) => i);
const steps = [...made.map((i) => ["forward", i]), ...data.backward.map((i) => ["backward", i])];
const reached = new Map(data.backward.map((i, at) => [i, entries.length + at]));
const state = { step: steps.length - 1, language: "zh", open: new Set(), chosen: null, found: "", timer: null };
let words = WORDS.zh;

const escape = (text) => String(text).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
const label = (i) => (entries[i].named || ["parameter", "input"].includes(entries[i].kind) ? entries[i].name : `v${i}`);

// --- formulas ------------------------------------------------------------------------------------

// "gx = g (1 - y^2)" with subscripts, superscripts and the signs of print.
function typeset(text) {
  return escape(text)
    .replace(/\^\(?(-?[\w+-]+)\)?/g, "<sup>$1</sup>")
    .replace(/\bg([a-z]{1,2}|gamma|beta)\b/g, "g<sub>$1</sub>")
    .replace(/\bsqrt\b/g, "√").replace(/&#62;=/g, "≥").replace(/&#60;=/g, "≤").replace(/ - /g, " − ")
    .replace(/ @ /g, " · ").replace(/\b([a-z])\b(?!<\/)/g, "<i>$1</i>");
}

// --- folding -------------------------------------------------------------------------------------

// The outermost folded scope of an entry, or null when it is drawn itself.
function groupOf(i) {
  const scope = entries[i].scope;
  if (!scope || entries[i].kind === "result") return null;
  const parts = scope.split("/");
  for (let n = 1; n <= parts.length; n++) {
    const path = parts.slice(0, n).join("/");
    if (!state.open.has(path)) return path;
  }
  return null;
}
const boxOf = (i) => groupOf(i) ?? i;

function allScopes() {
  const found = new Set();
  for (const { scope } of entries)
    if (scope) scope.split("/").forEach((_, n, parts) => found.add(parts.slice(0, n + 1).join("/")));
  return found;
}

// --- drawing -------------------------------------------------------------------------------------

function graph() {
  const boxes = new Map(), edges = new Map();
  entries.forEach((entry, i) => {
    const id = boxOf(i);
    if (!boxes.has(id)) boxes.set(id, { id, members: [], width: 132, height: 56 });
    boxes.get(id).members.push(i);
  });
  entries.forEach((entry, i) => entry.inputs.forEach((given) => {
    if (given.from === null) return;
    const from = boxOf(given.from), to = boxOf(i);
    if (from !== to) edges.set(`${from}>${to}`, { from, to, shape: entries[given.from].shape });
  }));
  for (const box of boxes.values()) {
    const last = entries[box.members[box.members.length - 1]];
    box.title = titleOf(box);
    // as wide as its text at any step, so that nothing moves when numbers appear
    const wide = [
      Math.min(textWidth(box.title, 12.5) + 44, 280), textWidth(brief(last.value, last), 11) + 18,
      textWidth(`∂ ${brief(last.gradient, last)}`, 11) + 18,
    ];
    box.width = Math.ceil(Math.max(92, ...wide));
  }
  return { boxes: [...boxes.values()], edges: [...edges.values()] };
}

// The width of a text in the font of the page.
const pen = document.createElement("canvas").getContext("2d");
const widths = new Map();
function textWidth(text, size) {
  const key = `${size} ${text}`;
  if (!widths.has(key)) {
    pen.font = `${size}px ${getComputedStyle(document.body).fontFamily}`;
    widths.set(key, pen.measureText(text).width);
  }
  return widths.get(key);
}

function titleOf(box) {
  if (typeof box.id === "string") return `${box.id.split("/").pop()} · ${box.members.filter((i) => entries[i].op).length} ${words.ops}`;
  const entry = entries[box.id];
  return entry.named && entry.op ? `${entry.name} = ${entry.op}` : entry.op || entry.name;
}

function draw() {
  const { boxes, edges } = graph();
  const { place, bends, width, height } = layOut(boxes, edges.map((e) => [e.from, e.to]));
  const size = new Map(boxes.map((box) => [box.id, box]));
  const svg = [], labels = [];
  for (const edge of edges) {
    const a = place.get(edge.from), b = place.get(edge.to);
    const points = [{ x: a.x, y: a.y + size.get(edge.from).height }, ...(bends.get(`${edge.from}>${edge.to}`) ?? []), b];
    svg.push(`<path class="edge" data-from="${escape(edge.from)}" data-to="${escape(edge.to)}" d="${curve(points)}"/>`);
    if (boxes.length <= 150) {
      const [x, y] = freePlace(points, labels);
      svg.push(`<text class="edge-label" x="${x}" y="${y + 4}">${escape(edge.shape)}</text>`);
    }
  }
  for (const box of boxes) {
    const { x, y } = place.get(box.id), group = typeof box.id === "string";
    const kind = group ? "group" : entries[box.id].kind;
    svg.push(`<g class="node ${kind}" data-id="${escape(box.id)}" tabindex="-1" transform="translate(${x - box.width / 2},${y})">
      <title>${escape(box.title)}</title><rect width="${box.width}" height="${box.height}"/>
      <text x="${box.width / 2}" y="18">${escape(clip(box.title, box.width))}</text>
      <text class="value" x="${box.width / 2}" y="34"></text><text class="gradient" x="${box.width / 2}" y="49"></text>
      <text class="mark" x="${box.width - 10}" y="15"></text></g>`);
  }
  const drawing = $("drawing");
  drawing.setAttribute("viewBox", `0 0 ${width} ${height}`);
  // on large screens the letters of the page grow, and the drawing with them
  const scale = Math.max(1, parseFloat(getComputedStyle(document.body).fontSize) / 15);
  drawing.setAttribute("width", width * scale);
  drawing.setAttribute("height", height * scale);
  drawing.innerHTML = svg.join("");
  state.boxes = boxes;
  paint();
}

// A place on the first curve of an edge, near its middle, where no label stands yet.
function freePlace([a, b], labels) {
  const bend = Math.max((b.y - a.y) / 2, 18);
  const at = (t) => [
    a.x + (b.x - a.x) * t * t * (3 - 2 * t),
    a.y * (1 - t) ** 3 + 3 * (a.y + bend) * t * (1 - t) ** 2 + 3 * (b.y - bend) * t * t * (1 - t) + b.y * t ** 3,
  ];
  const free = ([x, y]) => labels.every(([u, v]) => Math.abs(x - u) > 36 || Math.abs(y - v) > 11);
  const place = [0.5, 0.35, 0.65, 0.25, 0.75].map(at).find(free) ?? at(0.5);
  labels.push(place);
  return place;
}

// A smooth line down through the points, upright in each of them.
function curve(points) {
  let path = `M${points[0].x},${points[0].y}`;
  for (let i = 1; i < points.length; i++) {
    const a = points[i - 1], b = points[i], bend = Math.max((b.y - a.y) / 2, 18);
    path += ` C${a.x},${a.y + bend} ${b.x},${b.y - bend} ${b.x},${b.y}`;
  }
  return path;
}

function clip(text, width) {
  const room = width - 42; // the mark of the check stands in a corner
  if (textWidth(text, 12.5) <= room) return text;
  const letters = [...text];
  while (letters.length > 1 && textWidth(`${letters.join("")}…`, 12.5) > room) letters.pop();
  return `${letters.join("")}…`;
}

// What depends on the step alone: classes and numbers, no new layout.
function paint() {
  const [phase, now] = steps[state.step], nowBox = boxOf(now);
  const nodes = new Map([...$("drawing").querySelectorAll(".node")].map((node) => [node.dataset.id, node]));
  for (const box of state.boxes) {
    const node = nodes.get(String(box.id)), last = box.members[box.members.length - 1];
    const entry = entries[last], done = box.members.some((i) => i <= state.step);
    const back = (reached.get(last) ?? Infinity) <= state.step;
    node.classList.toggle("waiting", !done);
    node.classList.toggle("now", box.id === nowBox);
    node.classList.toggle("found", state.found !== "" && box.members.some(matches));
    node.classList.toggle("fault", done && box.members.some((i) => entries[i].fault));
    const [, value, gradient, mark] = node.querySelectorAll("text");
    value.textContent = done ? brief(entry.value, entry) : "";
    gradient.textContent = back ? `∂ ${brief(entry.gradient, entry)}` : "";
    const checks = box.members.filter((i) => (reached.get(i) ?? Infinity) <= state.step).map((i) => entries[i].check);
    const verdict = checks.includes("wrong") ? "wrong" : checks.includes("right") ? "right" : "";
    mark.textContent = { right: "✓", wrong: "✗", "": "" }[verdict];
    mark.setAttribute("class", `mark ${verdict}`);
  }
  for (const edge of $("drawing").querySelectorAll(".edge")) {
    const { from, to } = edge.dataset, here = String(nowBox);
    edge.classList.toggle("flow", phase === "backward" ? to === here : false);
  }
  $("scrubber").value = state.step;
  const name = entries[now].op ? `${label(now)} (${entries[now].op})` : label(now);
  $("status").textContent = `${words.step} ${state.step + 1} ${words.of} ${steps.length} · ${words[phase]}: ` +
    (phase === "forward" ? `${name} ${entries[now].inputs.length ? words.computes : "="} ${brief(entries[now].value, entries[now])}` : `${words.arrives} ${name}: ${brief(entries[now].gradient, entries[now])}`);
  describe(state.chosen ?? now);
}

function brief(x, entry) {
  if (!x) return entry.many ? words.many : words.unknown;
  const cells = x.cells.flat();
  if (cells.length === 1) return cells[0];
  const all = `[${cells.join(", ")}]`;
  if (x.shape.length <= 1 && all.length <= 18) return all;
  return x.least === x.most ? `${x.least} (${x.shape.join("×")})` : `${x.least} … ${x.most}`;
}

// --- the panel -----------------------------------------------------------------------------------

function describe(i) {
  const entry = entries[i], parts = [];
  const reachedBack = (reached.get(i) ?? Infinity) <= state.step, done = i <= state.step;
  parts.push(`<h2>${escape(label(i))}${entry.op ? ` = ${escape(entry.op)}` : ""}</h2>`);
  parts.push(`<p class="small">${words.kinds[entry.kind]} · ${words.shape} ${escape(entry.shape)}${entry.scope ? ` · ${words.layer} ${escape(entry.scope)}` : ""}</p>`);
  if (entry.scope && groupOf(i) === null && entry.kind !== "result")
    parts.push(`<p><button class="link" data-close="${escape(entry.scope)}">${words.close}</button></p>`);
  if (entry.fault) parts.push(`<p class="wrong">${words.fault}</p>`);
  if (entry.formula) parts.push(`<h3>${words.formula}</h3><p class="formula">${typeset(entry.formula)}</p>`);
  if (entry.rule) parts.push(`<h3>${words.rule}</h3><p class="formula">${typeset(entry.rule)}</p>`);
  if (entry.inputs.length) {
    parts.push(`<h3>${words.inputs}</h3>`);
    for (const given of entry.inputs)
      parts.push(given.from === null
        ? `<div class="small">${words.constant}</div>${heat(given.value)}`
        : `<div>${link(given.from)}</div>${heat(entries[given.from].value, entries[given.from].many)}`);
  }
  parts.push(`<h3>${words.value}</h3>${done ? heat(entry.value, entry.many) : `<p class="small">${words.notYet}</p>`}`);
  parts.push(`<h3>${words.gradient}</h3>`);
  if (!reachedBack) parts.push(`<p class="small">${words.notYet}</p>`);
  else {
    const from = contributions(i);
    if (!from.length) parts.push(`<p class="small">${words.start}</p>`);
    if (from.length > 1 && !entry.many) {
      parts.push(`<p class="small">${words.sum} (+=)</p>`);
      for (const [j, given] of from) parts.push(`<div>+ ${link(j)}</div>${heat(given.sent)}`);
      parts.push("<div>=</div>");
    }
    parts.push(heat(entry.gradient, entry.many));
    const sent = entry.inputs.filter((given) => given.from !== null && given.sent);
    if (sent.length) {
      parts.push(`<h3>${words.sends}</h3>`);
      for (const given of sent) {
        parts.push(`<div>→ ${link(given.from)}</div>${heat(given.sent)}`);
        if (given.summed.length) parts.push(`<p class="small">${words.summed} ${given.summed.join(", ")}</p>`);
      }
    }
    if (entry.check) parts.push(`<p class="${entry.check}">${entry.check === "right" ? "✓" : "✗"} ${words[entry.check]}</p>`);
  }
  if (entry.source) {
    const [file, line, text] = entry.source;
    parts.push(`<h3>${words.source}</h3><code class="source">${around(file, line) || escape(text)}</code><p class="small">${escape(file)}:${line}</p>`);
  }
  $("details").innerHTML = parts.join("");
}

// The user's line between its neighbours.
function around(file, line) {
  const lines = Object.entries(data.source[file] ?? {}).filter(([n]) => Math.abs(n - line) <= 2);
  const margin = Math.min(...lines.map(([, text]) => text.search(/\S/)));
  return lines.map(([n, text]) => {
    const shown = `${n.padStart(4)}  ${escape(text.slice(margin))}`;
    return Number(n) === line ? `<mark>${shown}</mark>` : shown;
  }).join("\n");
}

const link = (i) => `<button class="link" data-entry="${i}">${escape(label(i))}${entries[i].op ? ` (${escape(entries[i].op)})` : ""}</button>`;

function contributions(i) {
  const found = [];
  entries.forEach((entry, j) => entry.inputs.forEach((given) => {
    if (given.from === i && given.sent) found.push([j, given]);
  }));
  return found;
}

// A matrix as a heat map: blue below zero, red above, the number on hover or, where there is room, in it.
function heat(x, many = false) {
  if (!x) return `<p class="small">${many ? words.many : words.unknown}</p>`;
  const size = Math.max(...x.cells.flat().map((c) => Math.abs(parseFloat(c)) || 0)) || 1;
  const dense = x.columns.length > 6;
  const rows = x.cells.map((row, i) => `<tr>${row.map((cell, j) => {
    const v = parseFloat(cell), share = Number.isFinite(v) ? Math.abs(v) / size : 1;
    const colour = `rgba(var(--${v < 0 ? "cold" : "warm"}), ${(0.75 * share).toFixed(2)})`;
    return `<td style="background:${colour}" title="[${x.rows[i]}, ${x.columns[j]}] ${cell}">${cell}</td>`;
  }).join("")}</tr>`).join("");
  const total = x.shape.reduce((a, b) => a * b, 1), shown = x.rows.length * x.columns.length;
  const note = total > 1 ? `<p class="small">${words.range}: ${x.least} … ${x.most}, ${x.mean}${shown < total ? ` · ${words.sampled} ${shown} / ${total}` : ""}${x.odd ? ` · NaN/∞: ${x.odd}` : ""}</p>` : "";
  return `<div class="scroll"><table class="heat${dense ? " dense" : ""}">${rows}</table></div>${note}`;
}

// --- moving --------------------------------------------------------------------------------------

function go(step) {
  state.step = Math.max(0, Math.min(steps.length - 1, step));
  state.chosen = null;
  paint();
  const node = $("drawing").querySelector(".node.now"), frame = $("graph");
  if (!node) return;
  const a = node.getBoundingClientRect(), b = frame.getBoundingClientRect();
  if (a.top < b.top || a.bottom > b.bottom) frame.scrollTop += a.top - b.top - b.height / 2;
  if (a.left < b.left || a.right > b.right) frame.scrollLeft += a.left - b.left - b.width / 2;
}

function play() {
  if (state.timer) { clearInterval(state.timer); state.timer = null; }
  else {
    if (state.step === steps.length - 1) go(0);
    state.timer = setInterval(() => (state.step < steps.length - 1 ? go(state.step + 1) : play()), 900);
  }
  $("play").textContent = state.timer ? "❚❚" : "▶";
}

function fold() {
  state.open = state.open.size ? new Set() : allScopes();
  draw();
}

function choose(id) {
  if (Number.isNaN(Number(id))) { state.open.add(id); draw(); return; }
  state.chosen = Number(id);
  describe(state.chosen);
}

const matches = (i) => `${label(i)} ${entries[i].op} ${entries[i].scope} ${entries[i].source?.[2] ?? ""}`.toLowerCase().includes(state.found);

function search(text) {
  state.found = text.trim().toLowerCase();
  const first = entries.findIndex((_, i) => state.found && matches(i));
  if (first >= 0) { state.chosen = first; for (const part of scopesOf(first)) state.open.add(part); draw(); }
  else paint();
}
const scopesOf = (i) => (entries[i].scope ? entries[i].scope.split("/").map((_, n, parts) => parts.slice(0, n + 1).join("/")) : []);

function setLanguage(language) {
  state.language = language;
  words = WORDS[language];
  document.documentElement.lang = language;
  $("search").placeholder = words.search;
  $("fold").textContent = words.fold;
  for (const id of ["first", "back", "play", "next", "last"]) { $(id).title = words[id]; $(id).setAttribute("aria-label", words[id]); }
  $("search").setAttribute("aria-label", words.search);
  $("scrubber").setAttribute("aria-label", words.step);
  $("theme").setAttribute("aria-label", words.theme);
  $("graph").setAttribute("aria-label", words.graph);
  $("drawing").setAttribute("aria-label", words.graph);
  draw();
}

function setTheme(theme) { document.documentElement.dataset.theme = theme; }

const keys = {
  ArrowRight: () => go(state.step + 1), ArrowLeft: () => go(state.step - 1), ArrowDown: () => go(state.step + 1),
  ArrowUp: () => go(state.step - 1), Home: () => go(0), End: () => go(steps.length - 1), " ": play,
  l: () => setLanguage(state.language === "zh" ? "en" : "zh"), "/": () => $("search").focus(), f: fold,
  t: () => setTheme(document.documentElement.dataset.theme === "dark" ? "light" : "dark"),
};
document.addEventListener("keydown", (event) => {
  if (event.target.id === "search" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.tagName === "BUTTON" && event.key === " ") return;
  if (keys[event.key]) { event.preventDefault(); keys[event.key](); }
});
$("first").onclick = () => go(0);
$("back").onclick = () => go(state.step - 1);
$("next").onclick = () => go(state.step + 1);
$("last").onclick = () => go(steps.length - 1);
$("play").onclick = play;
$("fold").onclick = fold;
$("language").onclick = keys.l;
$("theme").onclick = keys.t;
$("search").oninput = (event) => search(event.target.value);
$("scrubber").oninput = (event) => go(Number(event.target.value));
$("drawing").onclick = (event) => { const node = event.target.closest(".node"); if (node) choose(node.dataset.id); };
$("details").onclick = ({ target: { dataset } }) => {
  if (dataset.entry) choose(dataset.entry);
  if (dataset.close) { state.open.delete(dataset.close); draw(); }
};

$("title").textContent = data.title;
$("scrubber").max = steps.length - 1;
// The address may choose: page.html#en,dark,12 is English, dark, at step 12.
const asked = location.hash.slice(1).split(",");
const dark = asked.includes("dark") || (!asked.includes("light") && matchMedia("(prefers-color-scheme: dark)").matches);
setTheme(dark ? "dark" : "light");
if (entries.length <= 40) state.open = allScopes();
state.step = Math.min((asked.map(Number).find((n) => n > 0) ?? steps.length) - 1, steps.length - 1);
setLanguage(["zh", "en"].find((l) => asked.includes(l)) ?? ((navigator.language || "zh").startsWith("zh") ? "zh" : "en"));
go(state.step);
