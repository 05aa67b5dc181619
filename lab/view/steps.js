/* An episode step by step, alone or next to another agent's on the same goal. */

/* The page as the agent saw it. "[button] x [button_]" and the like are drawn as what they stand for. */
function drawPage(observation) {
  const page = h('div', {class: 'page'});
  const marked = /\[([a-z][a-z ]*)\] ?(.*?) ?\[\1_\]/g;
  for (const line of observation.replace(/ \[SEP\] /g, '\n').replace(/\n$/, '').split('\n')) {
    const parts = [];
    let from = 0;
    for (const found of line.matchAll(marked)) {
      parts.push(line.slice(from, found.index));
      parts.push(h('span', {class: found[1].startsWith('clicked') ? 'pressed' : 'pill', title: found[1]}, found[2]));
      from = found.index + found[0].length;
    }
    parts.push(line.slice(from));
    page.append(h('div', null, parts));
  }
  return page;
}

/* The candidates, the likeliest first where probabilities are known. */
function candidateTable(step, expert) {
  const order = step.candidates.map((_, i) => i);
  if (step.probabilities) order.sort((a, b) => step.probabilities[b] - step.probabilities[a]);
  else order.sort((a, b) => (b === step.chosen) - (a === step.chosen) || (b === step.advised) - (a === step.advised) || a - b);
  const rows = order.map((i) => {
    const marks = [];
    if (i === step.chosen) marks.push(h('span', {class: 'mark taken'}, 'agent'));
    if (i === step.advised) marks.push(h('span', {class: 'mark advised'}, expert));
    const cells = [[step.candidates[i], ' ', marks]];
    if (step.probabilities)
      cells.push([bar(100 * step.probabilities[i]), h('span', {class: 'value'}, chance(step.probabilities[i]))]);
    cells.kind = [i === step.chosen ? 'taken' : '', i === step.advised ? 'advised' : ''].join(' ').trim() || undefined;
    return cells;
  });
  return table(step.probabilities ? 'Every action, with the probability that the agent gave it' : 'Every action that was open',
    step.probabilities ? ['action', 'probability'] : ['action'], rows, {class: 'candidates'});
}

/* The script whose advice was recorded. */
function expertName(group) {
  const found = group.run.values.find(([key]) => key === 'evaluate.advisor');
  return (found && found[1] && found[1] !== 'null' && found[1]) || 'expert';
}

function partsTable(episode) {
  if (!episode.parts.length) return null;
  const rows = episode.parts.map(([name, value]) => [name,
    [bar(100 * value / (fullPart(name) || 1), undefined, undefined, value < fullPart(name) - 1e-6 ? 'fill low' : 'fill'), h('span', {class: 'value'}, number(value, 2))]]);
  return table('Parts of the reward at the end of the episode', ['part', 'value'], rows, {class: 'reward'});
}

/* A chip per step; `to` makes the address of a step. */
function strip(episode, current, to) {
  return h('ol', {class: 'strip', 'aria-label': `Steps of ${episode.group.name}`}, episode.steps.map((step, s) => {
    const off = leaves(step);
    const name = `step ${s + 1}${off ? ', not what the expert would have done' : ''}`;
    return h('li', null, h('a', {href: to(s), class: off ? 'off' : step[3] >= 0 ? 'on' : '', 'aria-label': name, title: name,
      'aria-current': s === current ? 'step' : undefined}, String(s + 1)));
  }));
}

function valueCurve(episode, current) {
  const values = episode.steps.map((step) => step[5]);
  if (values.some((value) => value === null)) return null;
  const least = Math.min(0, ...values), most = Math.max(1, ...values), n = Math.max(1, values.length - 1);
  const x = (s) => 4 + 192 * s / n, y = (value) => 36 - 32 * (value - least) / (most - least);
  return svg('svg', {class: 'values', viewBox: '0 0 200 40', role: 'img', 'aria-label': 'Value of each step'},
    svg('polyline', {class: 'curve curve-0', points: values.map((value, s) => `${x(s)},${y(value)}`).join(' ')}),
    svg('circle', {class: 'dot curve-0', cx: x(current), cy: y(values[current]), r: 4}));
}

function stepWords(step, expert) {
  const took = `${step.chosen < 0 ? 'said' : 'took'} ${step.action}` + (step.probabilities && step.chosen >= 0 ? ` (${chance(step.probabilities[step.chosen])})` : '');
  if (step.advised < 0) return took;
  if (step.candidates[step.advised] === step.action) return `${took}, as the ${expert} would have`;
  return `${took}; the ${expert} would have taken ${step.candidates[step.advised]}` +
    (step.probabilities ? ` (${chance(step.probabilities[step.advised])})` : '');
}

/* What a language model was asked and what it said. */
function conversation(step) {
  const part = (name, said) =>
    said === null ? [] : h('details', {open: ''}, h('summary', null, name), h('pre', {tabindex: '0'}, said));
  return [part('The answer of the language model', step.answer), part('What it was asked', step.prompt)];
}

/* One agent's column: outcome, steps, page, candidates. `to` as for strip. */
function column(episode, s, to) {
  const step = stepOf(episode, s), expert = expertName(episode.group);
  const off = leaves(episode.steps[s]);
  return h('section', {class: 'column', 'aria-label': episode.group.name},
    h('p', {class: 'summary'}, h('strong', null, episode.group.name), ' ', outcomeMark(episode),
      ` with reward ${number(episode.reward, 2)} in ${episode.steps.length} steps`,
      wrongsOf(episode).length ? `: ${wrongsOf(episode).join(', ')}` : '', '.'),
    strip(episode, s, to),
    h('p', {class: off ? 'did off' : 'did'}, h('strong', null, `Step ${s + 1}: `), stepWords(step, expert), '.'),
    h('p', {class: 'faint'}, step.value === null ? 'This agent estimates no value. ' : ['Value ', number(step.value, 3), ' '], valueCurve(episode, s),
      ` Reward of this step ${number(step.reward, 2)}.`),
    h('div', {class: 'two'},
      h('div', null, h('h2', null, 'The page that the agent saw'), drawPage(step.observation),
        h('details', null, h('summary', null, 'As plain text'), h('pre', {tabindex: '0'}, step.observation)),
        conversation(step)),
      h('div', null, h('h2', null, 'What it could do'), candidateTable(step, expert), partsTable(episode))));
}

const clamp = (s, episode) => Math.max(0, Math.min(s, episode.steps.length - 1));

/* Where the keys lead, set by whoever shows steps. */
let places = {};

function missing(what) {
  return [h('h1', {tabindex: '-1'}, 'Not in this page'), h('p', null, what, ' ', h('a', {href: address('episodes', {})}, 'All episodes'))];
}

function showEpisode([slug, goal, place], query) {
  const group = GROUPS.find((other) => other.slug === slug);
  const episode = group && episodeOn(group, Number(goal));
  if (!episode) return missing(`There is no episode of ${slug} on goal ${goal}.`);
  const s = clamp(Number(place || 1) - 1, episode), list = listAround(episode, query), at = list.indexOf(episode);
  const to = (step) => episodeAddress(episode, step, query);
  const others = GROUPS.filter((other) => other !== group && episodeOn(other, episode.goal));
  const departure = departureOf(episode);
  places = {
    next: s + 1 < episode.steps.length ? to(s + 1) : null, previous: s > 0 ? to(s - 1) : null,
    first: to(0), last: to(episode.steps.length - 1), departure: departure >= 0 ? to(departure) : null,
    nextEpisode: at + 1 < list.length ? episodeAddress(list[at + 1], 0, query) : null,
    previousEpisode: at > 0 ? episodeAddress(list[at - 1], 0, query) : null,
    up: address('episodes', filtersIn(query)),
    compare: others.length ? compareAddress(group, rival(group, others), episode.goal, s) : null,
  };
  say(`Step ${s + 1} of ${episode.steps.length}: ${stepWords(stepOf(episode, s), expertName(group))}`);
  return [h('h1', {tabindex: '-1'}, `Goal ${episode.goal}`, episode.category ? ` · ${episode.category}` : ''),
    h('p', {class: 'task'}, episode.task),
    h('p', {class: 'buttons'}, link('← step', places.previous), link('step →', places.next),
      link('off the expert’s way', places.departure), link('previous episode', places.previousEpisode),
      link('next episode', places.nextEpisode), link('list', places.up),
      others.length ? choice('Compare with ', '', [['', 'choose an agent'], ...others.map((other) => [other.slug, other.name])],
        (other) => { if (other) location.hash = compareAddress(group, GROUPS.find((one) => one.slug === other), episode.goal, s); }) : null),
    column(episode, s, to)];
}

/* Whom to set an agent against: the expert, otherwise the first other. */
const rival = (group, others) => others.find((other) => other.agent === 'expert') || others[0];

function compareAddress(first, second, goal, s) {
  return address(`compare/${first.slug}/${second.slug}/${goal}/${s + 1}`, {});
}

function link(name, to) {
  return to ? h('a', {class: 'button', href: to}, name) : h('span', {class: 'button', 'aria-disabled': 'true'}, name);
}

/* The first step in which the two did not do the same. */
function parting(first, second) {
  const n = Math.min(first.steps.length, second.steps.length);
  for (let s = 0; s < n; s++)
    if ([1, 2, 7].some((member) => first.steps[s][member] !== second.steps[s][member])) return s;
  return first.steps.length === second.steps.length ? -1 : n;
}

function showCompare([one, two, goalText, place]) {
  if (GROUPS.length < 2) return missing('Two agents with kept episodes are needed.');
  const first = GROUPS.find((group) => group.slug === one) || defaultGroup();
  const second = GROUPS.find((group) => group.slug === two && group !== first) || rival(first, GROUPS.filter((group) => group !== first));
  const goals = episodesOf(first).map((episode) => episode.goal).filter((goal) => episodeOn(second, goal));
  if (!goals.length) return missing(`${first.name} and ${second.name} have no goal in common here.`);
  const goal = goals.includes(Number(goalText)) && goalText !== undefined ? Number(goalText) : goals[0];
  const left = episodeOn(first, goal), right = episodeOn(second, goal);
  const most = Math.max(left.steps.length, right.steps.length), s = Math.max(0, Math.min(Number(place || 1) - 1, most - 1));
  const to = (step) => compareAddress(first, second, goal, step), on = (other) => compareAddress(first, second, other, 0);
  const apart = parting(left, right), at = goals.indexOf(goal);
  const differing = goals.filter((other) => episodeOn(first, other).success !== episodeOn(second, other).success);
  const nextDiffering = differing.find((other) => other > goal);
  places = {
    next: s + 1 < most ? to(s + 1) : null, previous: s > 0 ? to(s - 1) : null, first: to(0), last: to(most - 1),
    departure: apart >= 0 ? to(apart) : null, nextEpisode: at + 1 < goals.length ? on(goals[at + 1]) : null,
    previousEpisode: at > 0 ? on(goals[at - 1]) : null, up: episodeAddress(left, clamp(s, left)),
  };
  say(`Step ${s + 1}. ${first.name} ${stepWords(stepOf(left, clamp(s, left)), 'expert')}. ${second.name} ${stepWords(stepOf(right, clamp(s, right)), 'expert')}`);
  const pick = (label, group, change) => choice(label, group.slug, GROUPS.map((other) => [other.slug, other.name]),
    (slug) => { location.hash = change(GROUPS.find((other) => other.slug === slug)); });
  return [h('h1', {tabindex: '-1'}, `Goal ${goal}`, left.category ? ` · ${left.category}` : ''), h('p', {class: 'task'}, left.task),
    h('p', {class: 'filters'}, pick('One ', first, (group) => compareAddress(group, second, goal, s)),
      pick('Other ', second, (group) => compareAddress(first, group, goal, s)),
      choice('Goal ', String(goal), goals.map((other) => [String(other), `${other}${differing.includes(other) ? ' (only one succeeds)' : ''}`]), (other) => { location.hash = on(other); })),
    h('p', {class: 'buttons'}, link('← step', places.previous), link('step →', places.next),
      link(apart < 0 ? 'they do the same' : `they part at step ${apart + 1}`, places.departure),
      link('previous goal', places.previousEpisode), link('next goal', places.nextEpisode),
      link('next goal where only one succeeds', nextDiffering === undefined ? null : on(nextDiffering))),
    h('div', {class: 'columns'}, column(left, clamp(s, left), to), column(right, clamp(s, right), to))];
}
