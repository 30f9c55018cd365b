"use strict";
// Layout: ranks from the longest path, order within a rank by the mean place of the neighbours. An edge
// over several ranks takes a narrow place in each of them, so that it does not run through a box.
const MOST_BENDS = 4000; // in larger graphs long edges run straight

// boxes: [{id, width, height}], edges: [[from, to], ...] by id. Returns id -> {x, y} (the middle of the
// top), "from>to" -> the points on the way of a long edge, and the size of the whole.
function layOut(boxes, edges) {
  const gapX = 26, gapY = 46, rowHeight = Math.max(...boxes.map((box) => box.height));
  const { before, after } = neighbours(boxes, edges);
  const rank = ranksOf(boxes, before, after);
  const { all, short, chains } = split(boxes, edges, rank);
  const rows = [];
  for (const box of all) (rows[rank.get(box.id)] ||= []).push(box);
  const near = neighbours(all, short);
  order(rows, near.before, near.after);
  const place = new Map(), width = Math.max(...rows.map((row) => rowWidth(row, gapX)));
  let y = 12;
  for (const row of rows) {
    let x = (width - rowWidth(row, gapX)) / 2 + 12;
    for (const box of row) { place.set(box.id, { x: x + box.width / 2, y }); x += box.width + gapX; }
    y += Math.max(...row.map((box) => box.height)) + gapY;
  }
  const through = (id) => [place.get(id), { x: place.get(id).x, y: place.get(id).y + rowHeight }];
  const bends = new Map([...chains].map(([edge, ids]) => [edge, ids.flatMap(through)]));
  return { place, bends, width: width + 24, height: y - gapY + 12 };
}

function neighbours(boxes, edges) {
  const before = new Map(boxes.map((b) => [b.id, []])), after = new Map(boxes.map((b) => [b.id, []]));
  for (const [from, to] of edges) { before.get(to).push(from); after.get(from).push(to); }
  return { before, after };
}

// Replace each edge over several ranks by a chain through narrow boxes.
function split(boxes, edges, rank) {
  const all = [...boxes], short = [], chains = new Map();
  const long = edges.reduce((sum, [from, to]) => sum + rank.get(to) - rank.get(from) - 1, 0);
  for (const [from, to] of edges) {
    if (long > MOST_BENDS || rank.get(to) - rank.get(from) < 2) { short.push([from, to]); continue; }
    const ids = [];
    let last = from;
    for (let r = rank.get(from) + 1; r < rank.get(to); r++) {
      const id = `${from}>${to}@${r}`;
      all.push({ id, width: 18, height: 0 });
      rank.set(id, r);
      ids.push(id);
      short.push([last, id]);
      last = id;
    }
    short.push([last, to]);
    chains.set(`${from}>${to}`, ids);
  }
  return { all, short, chains };
}

const rowWidth = (row, gap) => row.reduce((sum, box) => sum + box.width + gap, -gap);

// Inputs stand right above what they feed first; everything else right below its last input. A folded
// layer that is called twice may feed itself by way of others: such a circle is cut at its first box.
function ranksOf(boxes, before, after) {
  const rank = new Map(), open = new Map(boxes.map((b) => [b.id, before.get(b.id).length]));
  const ready = boxes.filter((b) => !open.get(b.id)).map((b) => b.id);
  const visited = new Set();
  let first = 0;
  while (visited.size < boxes.length) {
    if (!ready.length) {
      while (visited.has(boxes[first].id)) first++;
      ready.push(boxes[first].id);
    }
    const id = ready.pop();
    visited.add(id);
    if (!rank.has(id)) rank.set(id, 0);
    for (const next of after.get(id)) {
      if (visited.has(next)) continue;
      rank.set(next, Math.max(rank.get(next) ?? 0, rank.get(id) + 1));
      open.set(next, open.get(next) - 1);
      if (!open.get(next)) ready.push(next);
    }
  }
  for (const id of visited) {
    if (!before.get(id).length && after.get(id).length)
      rank.set(id, Math.min(...after.get(id).map((next) => rank.get(next))) - 1);
  }
  const least = Math.min(...rank.values());
  for (const [id, r] of rank) rank.set(id, r - least);
  return rank;
}

// A few sweeps down and up; each sorts a rank by the mean position of its neighbours.
function order(rows, before, after) {
  const at = new Map();
  const note = (row) => row.forEach((box, i) => at.set(box.id, i / row.length));
  rows.forEach(note);
  for (let sweep = 0; sweep < 6; sweep++) {
    const down = sweep % 2 === 0;
    for (const row of down ? rows : [...rows].reverse()) {
      const mean = new Map(row.map((box) => {
        const near = (down ? before : after).get(box.id);
        const sum = near.reduce((total, id) => total + at.get(id), 0);
        return [box.id, near.length ? sum / near.length : at.get(box.id)];
      }));
      row.sort((a, b) => mean.get(a.id) - mean.get(b.id));
      note(row);
    }
  }
}
