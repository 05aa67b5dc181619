/* Elements, numbers, bars and curves. Texts of the data become text nodes and never markup. */

/* An element: h('td', {class: 'number'}, 'text', child, [children]). */
function h(name, properties, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? '' : value);
  }
  element.append(...children.flat(3).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

function svg(name, attributes, ...children) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

const percent = (value, digits = 0) => `${value.toFixed(digits)}%`;
const number = (value, digits) => (value === null || value === undefined ? '–' : value.toFixed(digits));

/* A probability: what is nearly nothing is not nothing. */
function chance(p) {
  if (p >= 0.9995) return '100%';
  if (p < 0.0005) return p > 0 ? '<0.1%' : '0%';
  return percent(100 * p, p < 0.1 ? 1 : 0);
}

/* A bar from 0 to 100 with its interval; the value stands next to it in the table. */
function bar(value, low, high, kind) {
  const parts = [svg('rect', {class: 'track', x: 0, y: 4, width: 100, height: 8}),
    svg('rect', {class: kind || 'fill', x: 0, y: 4, width: Math.max(0, Math.min(100, value)), height: 8})];
  if (low !== undefined)
    parts.push(svg('rect', {class: 'interval', x: low, y: 7, width: Math.max(0.5, high - low), height: 2}));
  return svg('svg', {class: 'bar', viewBox: '0 0 100 16', preserveAspectRatio: 'none', 'aria-hidden': 'true'}, ...parts);
}

/* Round numbers for an axis from 0 to `most`. */
function ticks(most) {
  const raw = most / 4, power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= raw);
  const found = [];
  for (let value = 0; value <= most * 1.001; value += step) found.push(value);
  return found;
}

/* Curves over [0, 100]. `curves`: {name, points: [[x, y], ...]}; `levels`: {name, y}. */
function chart(label, xLabel, curves, levels) {
  const width = 640, height = 300, left = 40, right = 150, top = 12, bottom = 40;
  const most = Math.max(1, ...curves.flatMap((curve) => curve.points.map((point) => point[0])));
  const x = (value) => left + (width - left - right) * value / most;
  const y = (value) => top + (height - top - bottom) * (1 - value / 100);
  const parts = [];
  for (const value of [0, 25, 50, 75, 100])
    parts.push(svg('line', {class: 'grid', x1: left, x2: width - right, y1: y(value), y2: y(value)}),
      svg('text', {class: 'tick', x: left - 6, y: y(value) + 4, 'text-anchor': 'end'}, String(value)));
  for (const value of ticks(most))
    parts.push(svg('text', {class: 'tick', x: x(value), y: height - bottom + 18, 'text-anchor': 'middle'}, value.toLocaleString('en')));
  parts.push(svg('text', {class: 'tick', x: (left + width - right) / 2, y: height - 6, 'text-anchor': 'middle'}, xLabel));
  const names = [];
  for (const level of levels) {
    parts.push(svg('line', {class: 'level', x1: left, x2: width - right, y1: y(level.y), y2: y(level.y)}));
    names.push({name: level.name, y: y(level.y), kind: 'level-name'});
  }
  curves.forEach((curve, i) => {
    const points = curve.points.map((point) => `${x(point[0]).toFixed(1)},${y(point[1]).toFixed(1)}`);
    parts.push(svg('polyline', {class: `curve curve-${i % 6}`, points: points.join(' ')}));
    for (const point of curve.points)
      parts.push(svg('circle', {class: `dot curve-${i % 6}`, cx: x(point[0]), cy: y(point[1]), r: 3},
        svg('title', {}, `${curve.name}, ${point[0].toLocaleString('en')} ${xLabel}: ${point[1].toFixed(1)}`)));
    names.push({name: curve.name, y: y(curve.points[curve.points.length - 1][1]), kind: `curve-name curve-${i % 6}`});
  });
  names.sort((a, b) => a.y - b.y);
  names.forEach((entry, i) => { if (i && entry.y < names[i - 1].y + 14) entry.y = names[i - 1].y + 14; });
  for (const entry of names)
    parts.push(svg('text', {class: entry.kind, x: width - right + 8, y: entry.y + 4}, entry.name));
  return svg('svg', {class: 'chart', viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': label}, ...parts);
}

/* A table whose first column names the rows. `rows`: arrays of cells (texts or elements). */
function table(caption, headings, rows, properties) {
  const head = h('thead', null, h('tr', null, headings.map((heading) => h('th', {scope: 'col'}, heading))));
  const body = h('tbody', null, rows.map((cells) => h('tr', {class: cells.kind},
    cells.map((cell, i) => (i ? h('td', {'data-heading': headings[i]}, cell) : h('th', {scope: 'row'}, cell))))));
  return h('div', {class: 'scroll', tabindex: '0', role: 'region', 'aria-label': caption},
    h('table', properties, h('caption', null, caption), head, body));
}

/* A choice of `options` ([value, label]); `changed` gets the new value. */
function choice(label, value, options, changed) {
  return h('label', null, h('span', null, label), h('select', {onchange: (event) => changed(event.target.value)},
    options.map(([option, name]) => h('option', {value: option, selected: option === value}, name))));
}
