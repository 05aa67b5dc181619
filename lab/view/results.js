/* The first part of the page: how good the agents are, how they learnt, where one of them fails and why. */

const rowName = (row) => (row.experiments.length === 1 && DATA.runs.length > 1 && row.training ? row.experiments[0] + ' ' : '') +
  row.agent + (row.selection ? ' ' + row.selection : '');

/* The trained agent that succeeds most, otherwise the policy, otherwise whoever is there. */
function bestRow() {
  const rows = DATA.report.rows;
  const trained = rows.filter((row) => row.training), policies = rows.filter((row) => row.selection);
  const among = trained.length ? trained : policies.length ? policies : rows;
  return among.reduce((best, row) => (row.success.mean > best.success.mean ? row : best));
}

function groupOfRow(row) {
  return GROUPS.find((group) => group.agent === row.agent && group.selection === row.selection &&
    row.seeds.some((seed) => seed.run === group.run.directory));
}

function defaultGroup() {
  return groupOfRow(bestRow()) || GROUPS[GROUPS.length - 1];
}

const interval = (value) => `${value.low.toFixed(0)} to ${value.high.toFixed(0)}`;

/* "74 of 300 goals ...": the answer before any table. */
function verdict() {
  const best = bestRow(), split = DATA.report.split;
  const others = DATA.report.rows.filter((row) => row !== best && !(row.training && row.experiments.join() === best.experiments.join()));
  const say = (row) => `${rowName(row)} ${percent(row.success.mean)}`;
  const weakest = others.filter((row) => row.selection || row.agent === 'random');
  const strongest = others.filter((row) => !weakest.includes(row)).reduce((top, row) => (!top || row.success.mean > top.success.mean ? row : top), null);
  return h('p', {class: 'verdict'},
    h('strong', null, `${rowName(best)} succeeds on ${percent(best.success.mean)}`),
    ` (${interval(best.success)}) of the ${DATA.report.goals} goals of split “${split}”, with a score of ${best.score.mean.toFixed(1)} of 100. `,
    others.length ? `For comparison: ${[...weakest, strongest].filter(Boolean).map(say).join(', ')}.` : '');
}

function resultsTable() {
  const parts = Object.keys(DATA.report.rows[0].parts);
  const best = bestRow();
  const rows = DATA.report.rows.map((row) => {
    const group = groupOfRow(row);
    const name = rowName(row);
    const cells = [
      group ? h('a', {href: address('episodes', {agent: group.slug})}, name) : name,
      [bar(row.success.mean, row.success.low, row.success.high), h('span', {class: 'value'}, percent(row.success.mean, 1)), ' ',
        h('span', {class: 'faint'}, interval(row.success))],
      [bar(row.score.mean, row.score.low, row.score.high), h('span', {class: 'value'}, row.score.mean.toFixed(1)), ' ',
        h('span', {class: 'faint'}, interval(row.score))],
      row.steps_per_episode.toFixed(1),
      ...parts.map((part) => number(row.parts[part], 2)),
      String(row.episodes),
    ];
    if (row === best) cells.kind = 'best';
    return cells;
  });
  const level = `${Math.round(100 * DATA.report.confidence)}%`;
  return table(`Success and score of each agent, with ${level} intervals`,
    ['agent', 'success', 'score', 'steps', ...parts, 'episodes'], rows, {class: 'results'});
}

/* What the names of agents mean, of those that there are. */
const MEANINGS = [
  [(row) => row.agent === 'random', 'random', 'takes any action, all with the same chance'],
  [(row) => row.agent === 'initial', 'initial', 'the policy before training'],
  [(row) => row.agent === 'final', 'final', 'the policy after training'],
  [(row) => row.selection === 'sample', 'sample', 'draws its action from its probabilities'],
  [(row) => row.selection === 'greedy', 'greedy', 'takes the likeliest action'],
];

function meanings() {
  const {rows} = DATA.report;
  const scripts = [...new Set(rows.filter((row) => !row.selection && row.agent !== 'random').map((row) => row.agent))];
  const known = MEANINGS.filter(([is]) => rows.some(is)).map(([, name, does]) => [name, does]);
  if (scripts.length) known.splice(1, 0, [scripts.join(', '), scripts.length > 1 ? 'scripts of the environment' : 'a script of the environment']);
  return h('p', {class: 'faint'}, known.map(([name, does], i) => [i ? '; ' : '', h('strong', null, name), ': ', does]),
    '. Success: the environment’s own notion, such as the full reward. Score: 100 × the mean reward. ',
    'The thin line is the interval.');
}

function learning() {
  const runs = DATA.runs.filter((run) => run.points.length > 1);
  if (!runs.length) return null;
  const name = (run) => (DATA.runs.length > 1 ? `${run.name} ${run.seed}` : '');
  const curves = (index, what) => runs.map((run) => ({
    name: name(run) || what, points: run.points.map((point) => [point[0], point[index]]),
  }));
  const levels = (what) => DATA.report.rows.filter((row) => !row.selection).map((row) => ({name: row.agent, y: row[what].mean}));
  const terms = [...new Set(runs.map((run) => run.terms))].join('; ');
  const figure = (title, index, what) => h('figure', null, h('figcaption', null, title),
    chart(`${title} over the updates of training`, 'updates', curves(index, what), levels(what)));
  return h('section', {'aria-labelledby': 'learning'}, h('h2', {id: 'learning'}, 'How it learnt'),
    h('div', {class: 'figures'}, figure('Success, %', 4, 'success'), figure('Score', 3, 'score')),
    h('p', {class: 'faint'}, `During training: ${terms}. The level lines are agents that do not learn, on the split of the table.`));
}

/* Rows of a count as links into the list of episodes. */
function countTable(caption, heading, counts, total, group, filter) {
  const rows = counts.map(([value, n]) => [
    h('a', {href: address('episodes', {agent: group.slug, outcome: 'failed', [filter]: value})}, value),
    [bar(100 * n / total), h('span', {class: 'value'}, String(n)), ' ', h('span', {class: 'faint'}, `of ${total}`)],
  ]);
  return table(caption, [heading, 'failed episodes'], rows, {class: 'counts'});
}

function categoryTable(group) {
  const counts = countBy(episodesOf(group), (episode) => [episode.category]);
  if (counts.length < 2) return null;
  const rows = counts.map(([value, n, successes]) => {
    const rate = wilson(successes, n);
    return {rate, cells: [h('a', {href: address('episodes', {agent: group.slug, category: value})}, value || 'none'),
      [bar(rate.mean, rate.low, rate.high), h('span', {class: 'value'}, percent(rate.mean)), ' ', h('span', {class: 'faint'}, `${successes} of ${n}`)]]};
  });
  rows.sort((a, b) => a.rate.mean - b.rate.mean);
  return table('Success by category, worst first', ['category', 'success'], rows.map((row) => row.cells), {class: 'counts'});
}

/* What went wrong most, in a sentence. */
function failureSentence(group, failed, wrongs, departures) {
  const n = episodesOf(group).length;
  if (!failed.length) return h('p', {class: 'verdict'}, `${group.name} succeeds in all ${n} episodes that were kept.`);
  const most = wrongs.slice(0, 2).map(([value, count]) => `${value} (${count})`).join(', ');
  const first = departures[0];
  return h('p', {class: 'verdict'}, h('strong', null, `${failed.length} of ${n} episodes fail`), `, most often because: ${most}. `,
    first ? `They most often leave the expert’s way with ${first[0]} (${first[1]}).` : '');
}

function failures(group) {
  const failed = episodesOf(group).filter((episode) => !episode.success);
  const wrongs = countBy(failed, wrongsOf);
  const departures = countBy(failed, (episode) => [departureKind(episode)]).filter(([value]) => value);
  const choose = choice('Agent ', group.slug, GROUPS.map((other) => [other.slug, other.name]), (slug) => go('results', {agent: slug}));
  return h('section', {'aria-labelledby': 'failures'}, h('h2', {id: 'failures'}, 'Where it fails, and why'),
    h('p', {class: 'filters'}, choose, h('a', {class: 'button', href: address('episodes', {agent: group.slug, outcome: 'failed'})}, 'Look at failed episodes')),
    failureSentence(group, failed, wrongs, departures),
    h('div', {class: 'tables'},
      failed.length ? countTable('What went wrong (an episode may have several)', 'what', wrongs, failed.length, group, 'wrong') : null,
      departures.length ? countTable('First step off the expert’s way', 'the agent took', departures.slice(0, 6), failed.length, group, 'departure') : null,
      categoryTable(group)));
}

function nothingKept() {
  if (GROUPS.length) return null;
  const first = DATA.runs[0].directory;
  return h('section', null, h('h2', null, 'Episodes'), h('p', null, 'There are no episodes in this page. ',
    'To see what the agents did, step by step: '), h('pre', {tabindex: '0'},
    `cartwright evaluate ${first} --keep-episodes 100\ncartwright view ${first}`));
}

function about() {
  const list = (entries) => h('dl', null, entries.map(([key, value]) => [h('dt', null, key), h('dd', null, value)]));
  return h('section', {'aria-labelledby': 'about'}, h('h2', {id: 'about'}, 'What was run'),
    DATA.report.notes.length ? h('ul', null, DATA.report.notes.map((note) => h('li', null, note))) : null,
    DATA.runs.map((run) => h('details', null, h('summary', null, `${run.name}, seed ${run.seed}: ${run.directory}`),
      h('h3', null, `Environment: ${run.environment}`), list(run.environment_facts),
      run.policy ? [h('h3', null, `Policy: ${run.policy}`), list(run.policy_facts)] : null,
      h('h3', null, 'Configuration'), list(run.values))),
    h('p', {class: 'faint'}, `Written by cartwright ${DATA.cartwright}.`));
}

function showResults(query) {
  const group = GROUPS.find((other) => other.slug === query.agent) || (GROUPS.length ? defaultGroup() : null);
  return [h('h1', {tabindex: '-1'}, 'How good are the agents?'), verdict(), resultsTable(), meanings(),
    group ? failures(group) : nothingKept(), learning(), about()];
}
