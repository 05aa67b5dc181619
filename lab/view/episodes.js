/* The list of episodes with its filters. All of them are in the address, so that a list can be linked to. */

const FILTERS = ['agent', 'outcome', 'wrong', 'category', 'departure', 'words'];
const PAGE = 100;

function matches(episode, query) {
  return (!query.agent || episode.group.slug === query.agent) &&
    (!query.outcome || episode.success === (query.outcome === 'succeeded')) &&
    (!query.wrong || wrongsOf(episode).includes(query.wrong)) &&
    (!query.category || episode.category === query.category) &&
    (!query.departure || departureKind(episode) === query.departure) &&
    (!query.words || episode.task.toLowerCase().includes(query.words.toLowerCase()));
}

const filtersIn = (query) => Object.fromEntries(FILTERS.filter((key) => query[key]).map((key) => [key, query[key]]));
const filtered = (query) => allEpisodes().filter((episode) => matches(episode, query));

/* The list that an episode was opened from; its neighbours are the next and the previous episode. */
function listAround(episode, query) {
  const list = filtered({...filtersIn(query), agent: episode.group.slug});
  return list.includes(episode) ? list : episodesOf(episode.group);
}

function episodeAddress(episode, s, query) {
  return address(`episode/${episode.group.slug}/${episode.goal}/${s + 1}`, filtersIn(query || {}));
}

function filterForm(query) {
  const set = (key) => (value) => go('episodes', {...filtersIn(query), [key]: value});
  const options = (first, counts) => [['', first], ...counts.map(([value, n]) => [value, `${value || 'none'} (${n})`])];
  const without = (key) => filtered({...filtersIn(query), [key]: ''});
  const words = h('input', {type: 'search', value: query.words || '', placeholder: 'words of the goal', 'aria-label': 'Words of the goal',
    onchange: (event) => set('words')(event.target.value)});
  return h('form', {class: 'filters', role: 'search', 'aria-label': 'Which episodes', onsubmit: (event) => { event.preventDefault(); set('words')(words.value); }},
    choice('Agent ', query.agent || '', [['', 'all'], ...GROUPS.map((group) => [group.slug, group.name])], set('agent')),
    choice('Outcome ', query.outcome || '', [['', 'all'], ['succeeded', 'succeeded'], ['failed', 'failed']], set('outcome')),
    choice('What went wrong ', query.wrong || '', options('anything', countBy(without('wrong'), wrongsOf)), set('wrong')),
    choice('Category ', query.category || '', options('all', countBy(without('category'), (episode) => [episode.category])), set('category')),
    choice('Off the expert’s way ', query.departure || '', options('anywhere',
      countBy(without('departure'), (episode) => [departureKind(episode)]).filter(([value]) => value).slice(0, 30)), set('departure')),
    words, h('a', {class: 'button', href: address('episodes', {})}, 'All'));
}

const outcomeMark = (episode) => h('span', {class: episode.success ? 'good' : 'bad'}, episode.success ? '✓ succeeded' : '✗ failed');

function episodeRow(episode, query) {
  const departure = departureOf(episode);
  return h('tr', null,
    h('th', {scope: 'row', 'data-heading': 'goal'}, h('a', {href: episodeAddress(episode, 0, query)}, `goal ${episode.goal}`)),
    h('td', {'data-heading': 'agent'}, episode.group.name),
    h('td', {'data-heading': 'outcome'}, outcomeMark(episode)),
    h('td', {'data-heading': 'reward', class: 'number'}, number(episode.reward, 2)),
    h('td', {'data-heading': 'steps', class: 'number'}, String(episode.steps.length)),
    h('td', {'data-heading': 'category'}, episode.category),
    h('td', {'data-heading': 'what went wrong'}, wrongsOf(episode).join(', ')),
    h('td', {'data-heading': 'off the expert’s way'}, departure < 0 ? '' :
      h('a', {href: episodeAddress(episode, departure, query)}, `step ${departure + 1}: ${departureKind(episode)}`)),
    h('td', {'data-heading': 'task', class: 'task'}, episode.task));
}

function showEpisodes(query) {
  if (!GROUPS.length) return [h('h1', {tabindex: '-1'}, 'Episodes'), nothingKept()];
  const list = filtered(query), body = h('tbody');
  const headings = ['goal', 'agent', 'outcome', 'reward', 'steps', 'category', 'what went wrong', 'off the expert’s way', 'task'];
  const more = h('button', {type: 'button', onclick: () => add()});
  let shown = 0;
  function add() {
    body.append(...list.slice(shown, shown + PAGE).map((episode) => episodeRow(episode, query)));
    shown = Math.min(list.length, shown + PAGE);
    more.textContent = `Show more (${list.length - shown} left)`;
    more.hidden = shown === list.length;
  }
  add();
  const successes = list.filter((episode) => episode.success).length;
  return [h('h1', {tabindex: '-1'}, 'Episodes'), filterForm(query),
    h('p', {role: 'status'}, `${list.length} episodes, ${successes} of them successful${list.length ? ` (${percent(100 * successes / list.length)})` : ''}.`),
    h('div', {class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Episodes'},
      h('table', {class: 'episodes'}, h('caption', {class: 'hidden'}, 'Episodes'),
        h('thead', null, h('tr', null, headings.map((heading) => h('th', {scope: 'col'}, heading)))), body)), more];
}
