/* Addresses, keys, the theme, and what is shown for an address: "#PART/…?FILTERS". */

const PARTS = [['results', 'Results', showResults], ['episodes', 'Episodes', showEpisodes], ['compare', 'Compare', null]];
const KEYS = [['→ or j', 'next step'], ['← or k', 'previous step'], ['Home, End', 'first, last step'],
  ['x', 'first step off the expert’s way; where two agents part'], ['n, p', 'next, previous episode or goal'],
  ['c', 'set against another agent'], ['u', 'up: the list'], ['r, e', 'results, episodes'], ['t', 'light or dark'], ['?', 'these keys']];

function address(path, query) {
  const words = Object.entries(query || {}).filter(([, value]) => value)
    .map(([key, value]) => `${key}=${encodeURIComponent(value)}`).join('&');
  return `#${path}${words ? '?' + words : ''}`;
}

const go = (path, query) => { location.hash = address(path, query); };

/* What a screen reader hears when only a step has changed. */
function say(words) {
  document.getElementById('spoken').textContent = words;
}

function readAddress() {
  const [path, words] = location.hash.slice(1).split('?');
  const query = {};
  for (const pair of (words || '').split('&')) {
    const cut = pair.indexOf('=');
    if (cut > 0) query[pair.slice(0, cut)] = decode(pair.slice(cut + 1));
  }
  const [part, ...rest] = path.split('/');
  return {part: part || 'results', rest: rest.map(decode), query};
}

function decode(word) {
  try { return decodeURIComponent(word); } catch (error) { return word; }
}

let before = '';
function show() {
  const {part, rest, query} = readAddress();
  const main = document.getElementById('main');
  places = {};
  say('');
  const shown = part === 'episode' ? showEpisode(rest, query) : part === 'compare' ? showCompare(rest) :
    part === 'episodes' ? showEpisodes(query) : showResults(query);
  main.replaceChildren(...shown.flat(2).filter(Boolean));
  document.getElementById('parts').replaceChildren(...PARTS.map(([name, label]) =>
    h('a', {href: address(name, {}), 'aria-current': name === part || (name === 'episodes' && part === 'episode') ? 'page' : undefined}, label)));
  const heading = main.querySelector('h1'), place = `${part}/${rest.slice(0, -1).join('/')}`;
  document.title = `${heading.textContent} · ${DATA.runs.map((run) => run.name).join(', ')} · Cartwright`;
  if (before && place !== before) {
    heading.focus({preventScroll: true});
    scrollTo(0, 0);
  }
  before = place;
}

function changeTheme() {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
  root.dataset.theme = dark ? 'light' : 'dark';
}

function showKeys() {
  const help = document.getElementById('help');
  help.replaceChildren(h('h2', {id: 'help-title'}, 'Keys'),
    h('dl', {class: 'keys'}, KEYS.map(([key, does]) => [h('dt', null, key), h('dd', null, does)])),
    h('form', {method: 'dialog'}, h('button', {type: 'submit'}, 'Close')));
  help.showModal();
}

const follow = (place) => { if (place) location.hash = place; };
const ACTIONS = {
  ArrowRight: () => follow(places.next), j: () => follow(places.next),
  ArrowLeft: () => follow(places.previous), k: () => follow(places.previous),
  Home: () => follow(places.first), End: () => follow(places.last), x: () => follow(places.departure),
  n: () => follow(places.nextEpisode), p: () => follow(places.previousEpisode), c: () => follow(places.compare),
  u: () => follow(places.up), r: () => go('results'), e: () => go('episodes'), t: changeTheme, '?': showKeys,
};

addEventListener('keydown', (event) => {
  const busy = event.target.closest('input, select, textarea, dialog') || event.ctrlKey || event.altKey || event.metaKey;
  const scrolls = event.target.closest('.scroll, pre') && /^(Arrow|Home|End)/.test(event.key);
  const moves = /^(Home|End)$/.test(event.key) && !places.first;
  if (busy || scrolls || moves || !Object.hasOwn(ACTIONS, event.key)) return;
  event.preventDefault();
  ACTIONS[event.key]();
});
document.getElementById('theme').addEventListener('click', changeTheme);
document.getElementById('help-button').addEventListener('click', showKeys);
addEventListener('hashchange', show);
show();
