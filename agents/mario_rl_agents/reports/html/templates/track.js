// Charts to scrub videos through. Each .track holds its data; the video, if any, is in the same figure.
"use strict";
{

const STRIP = 8; // pixels, of the row that says what was chosen
const LEFT = 52, TOP = 8, BOTTOM = 22 + STRIP; // pixels around the lines

function startTrack(root) {
  const data = JSON.parse(root.dataset.track);
  const { seconds, numbers, chosen, names, styles } = data;
  const video = root.parentElement.querySelector("video");
  const plot = root.querySelector(".plot");
  const canvas = root.querySelector("canvas");
  const cursor = root.querySelector(".cursor");
  const end = seconds[seconds.length - 1] + Math.max(data.frameSeconds, lastStep(seconds));
  const [low, high] = range(data);
  let time = 0; // of the video in seconds; without a video, where the cursor is
  let shown = -1; // the decision that the readout tells of

  const values = names.map((name, index) => addReadout(root, name, styles[index], data.areShares));
  const facts = Object.keys(data.facts).map((name) => [data.facts[name], addFact(root, name)]);
  const order = [seconds.map((_, index) => `${index + 1} of ${seconds.length}`), addFact(root, "decision")];
  const clock = addFact(root, "video");

  const placeOf = (t) => LEFT + (Math.min(t, end) / end) * (plot.clientWidth - LEFT);

  function decisionAt(t) {
    let first = 0, last = seconds.length - 1;
    while (first < last) { // the last one that has begun; video times are not exact to the bit
      const middle = Math.ceil((first + last) / 2);
      if (seconds[middle] <= t + 1e-4) first = middle; else last = middle - 1;
    }
    return first;
  }

  function show(t) {
    time = t;
    cursor.hidden = false;
    cursor.style.transform = `translateX(${placeOf(t)}px)`;
    clock.textContent = `${t.toFixed(2)} s`;
    const at = decisionAt(t);
    if (at === shown) return;
    shown = at;
    values.forEach((row, index) => {
      const value = numbers[at][index];
      row.item.classList.toggle("chosen", chosen[at] === index);
      row.number.textContent = written(value, data);
      row.bar.style.width = data.areShares ? `${100 * (value ?? 0)}%` : "0";
    });
    for (const [column, cell] of [order, ...facts]) cell.textContent = plain(column[at]);
    plot.setAttribute("aria-valuenow", at + 1);
    plot.setAttribute("aria-valuetext", told(data, at));
  }

  function seek(t) {
    const to = Math.min(Math.max(t, 0), end - data.frameSeconds / 2);
    if (video) video.currentTime = to; // within what there is of the video
    show(to);
  }

  function step(to) {
    const at = Math.min(Math.max(to, 0), seconds.length - 1);
    if (video) video.pause();
    seek(seconds[at] + data.frameSeconds / 2); // the middle of its first picture
  }

  function draw() {
    const ratio = window.devicePixelRatio || 1;
    const width = plot.clientWidth, height = plot.clientHeight;
    canvas.width = width * ratio;
    canvas.height = height * ratio;
    const on = canvas.getContext("2d");
    on.scale(ratio, ratio);
    on.clearRect(0, 0, width, height);
    drawAxes(on, root, { width, height, low, high, end, placeOf, areShares: data.areShares });
    const y = (value) => TOP + ((high - value) / (high - low)) * (height - TOP - BOTTOM);
    const edges = [...seconds.slice(1), end];
    if (data.areShares) drawAreas(on, data, edges, placeOf, y);
    else drawLines(on, data, edges, placeOf, y);
    edges.forEach((edge, index) => {
      if (chosen[index] === null) return;
      const x = placeOf(seconds[index]);
      on.fillStyle = styles[chosen[index]].color;
      on.fillRect(x, height - BOTTOM + 4, Math.max(placeOf(edge) - x, 0.5), STRIP);
    });
    show(time);
  }

  function follow() {
    show(video.currentTime);
    if (!video.paused) requestAnimationFrame(follow);
  }

  if (video) {
    for (const event of ["play", "seeking", "seeked", "timeupdate", "loadedmetadata"]) {
      video.addEventListener(event, event === "play" ? follow : () => show(video.currentTime));
    }
  }
  const timeAt = (event) => {
    const box = plot.getBoundingClientRect();
    return ((event.clientX - box.left - LEFT) / (box.width - LEFT)) * end;
  };
  plot.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    plot.setPointerCapture(event.pointerId);
    if (video) video.pause();
    seek(timeAt(event));
  });
  plot.addEventListener("pointermove", (event) => {
    if (plot.hasPointerCapture(event.pointerId)) seek(timeAt(event));
  });
  plot.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const at = decisionAt(time);
    const targets = {
      ArrowLeft: at - 1, ArrowDown: at - 1, ArrowRight: at + 1, ArrowUp: at + 1,
      PageDown: at - 10, PageUp: at + 10, Home: 0, End: seconds.length - 1,
    };
    if (event.key in targets) step(targets[event.key]);
    else if (event.key === " " && video) video.paused ? video.play() : video.pause();
    else return;
    event.preventDefault();
  });

  root.hidden = false;
  new ResizeObserver(draw).observe(plot);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
}

function lastStep(seconds) {
  const count = seconds.length;
  return count > 1 ? seconds[count - 1] - seconds[count - 2] : 0;
}

function range(data) {
  if (data.areShares) return [0, 1];
  const all = data.numbers.flat().filter((value) => value !== null);
  const low = all.reduce((a, b) => Math.min(a, b), Infinity);
  const high = all.reduce((a, b) => Math.max(a, b), -Infinity);
  if (low > high) return [0, 1];
  return low === high ? [low - 1, high + 1] : [low, high];
}

function addReadout(root, name, style, areShares) {
  const item = document.createElement("li");
  item.append(sign(style, areShares));
  const [label, number, bar] = ["name", "number", "bar"].map((kind) => {
    const part = document.createElement("span");
    part.className = kind;
    item.append(part);
    return part;
  });
  label.textContent = name;
  bar.style.background = style.color;
  root.querySelector(".readout").append(item);
  return { item, number, bar };
}

function sign(style, isArea) {
  const [svg, path] = ["svg", "path"].map((kind) => document.createElementNS("http://www.w3.org/2000/svg", kind));
  svg.setAttribute("viewBox", "0 0 26 14");
  svg.setAttribute("aria-hidden", "true");
  path.setAttribute("d", "M0 7H26");
  path.setAttribute("stroke", style.color);
  path.setAttribute("stroke-width", isArea ? 14 : 3);
  if (!isArea) path.setAttribute("stroke-dasharray", style.dash.join(" ") || "none");
  svg.append(path);
  return svg;
}

function addFact(root, name) {
  const pair = document.createElement("div");
  const term = document.createElement("dt"), value = document.createElement("dd");
  term.textContent = name;
  pair.append(term, value);
  root.querySelector(".moment").append(pair);
  return value;
}

function drawAxes(on, root, { width, height, low, high, end, placeOf, areShares }) {
  const style = getComputedStyle(root);
  const grid = style.getPropertyValue("--line"), ink = style.getPropertyValue("--faint");
  on.font = `12px ${style.fontFamily}`;
  on.lineWidth = 1;
  on.strokeStyle = grid;
  on.fillStyle = ink;
  on.textAlign = "right";
  on.textBaseline = "middle";
  for (const share of [0, 0.5, 1]) {
    const y = Math.round(TOP + (1 - share) * (height - TOP - BOTTOM)) + 0.5;
    on.beginPath();
    on.moveTo(LEFT, y);
    on.lineTo(width, y);
    on.stroke();
    const value = low + share * (high - low);
    on.fillText(areShares ? `${100 * value}%` : short(value), LEFT - 6, y);
  }
  on.textBaseline = "bottom";
  const tick = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300].find((each) => end / each <= 8) ?? 600;
  for (let t = 0; t <= end; t += tick) {
    const x = placeOf(t);
    on.textAlign = t === 0 ? "left" : x > width - 20 ? "right" : "center";
    on.fillText(`${Number(t.toFixed(1))} s`, x, height);
  }
}

function drawAreas(on, data, edges, placeOf, y) {
  const below = data.seconds.map(() => 0);
  data.names.forEach((_, line) => {
    on.fillStyle = data.styles[line].color;
    on.beginPath();
    const top = below.map((share, index) => share + (data.numbers[index][line] ?? 0));
    top.forEach((share, index) => {
      on.lineTo(placeOf(data.seconds[index]), y(share));
      on.lineTo(placeOf(edges[index]), y(share));
    });
    for (let index = top.length - 1; index >= 0; index--) {
      on.lineTo(placeOf(edges[index]), y(below[index]));
      on.lineTo(placeOf(data.seconds[index]), y(below[index]));
      below[index] = top[index];
    }
    on.fill();
  });
}

function drawLines(on, data, edges, placeOf, y) {
  on.lineWidth = 2;
  data.names.forEach((_, line) => {
    on.strokeStyle = data.styles[line].color;
    on.setLineDash(data.styles[line].dash);
    on.beginPath();
    let isThere = false;
    data.seconds.forEach((second, index) => {
      const value = data.numbers[index][line];
      if (value === null) { isThere = false; return; }
      if (isThere) on.lineTo(placeOf(second), y(value));
      else on.moveTo(placeOf(second), y(value));
      on.lineTo(placeOf(edges[index]), y(value));
      isThere = true;
    });
    on.stroke();
  });
  on.setLineDash([]);
}

function short(value) {
  const size = Math.abs(value);
  return size !== 0 && (size >= 1e5 || size < 1e-3) ? value.toExponential(0) : String(Number(value.toPrecision(3)));
}

function written(value, data) {
  if (value === null) return "none";
  return data.areShares ? `${(100 * value).toFixed(1)} %` : value.toFixed(Math.abs(value) < 100 ? 3 : 1);
}

function plain(value) {
  if (value === null) return "none";
  return typeof value === "number" ? value.toLocaleString("en", { maximumFractionDigits: 3 }) : value;
}

function told(data, at) {
  const taken = data.chosen[at];
  const row = data.numbers[at];
  const words = taken === null
    ? data.names.map((name, index) => `${name} ${written(row[index], data)}`).join(", ")
    : `${data.names[taken]} ${written(row[taken], data)}`;
  return `decision ${at + 1} of ${data.seconds.length}, ${data.seconds[at].toFixed(2)} s: ${words}`;
}

document.addEventListener("DOMContentLoaded", () => document.querySelectorAll(".track").forEach(startTrack));
}
