/* The data of the page, and what is worked out from them: agents, episodes, what went wrong in them, and where
   they left the way of the expert. All scripts of the page are one script; this is its first part. */
'use strict';

const DATA = JSON.parse(document.getElementById('data').textContent);

/* An agent of a run with its kept episodes. `slug` stands in addresses. */
const GROUPS = DATA.groups.map((group, index) => {
  const run = DATA.runs[group.run];
  const alone = DATA.runs.length === 1;
  const own = group.agent + (group.selection ? ' ' + group.selection : '');
  return {
    index, run,
    agent: group.agent,
    selection: group.selection,
    evaluated: group.evaluated,
    name: alone ? own : `${run.name} (seed ${run.seed}) ${own}`,
    slug: (alone ? own : `${run.name} ${run.seed} ${own}`).replace(/[^A-Za-z0-9]+/g, '-'),
    raw: group.episodes,
    episodes: null,
  };
});

const text = (number) => DATA.strings[number];
const listOf = (number) => DATA.lists[number].map(text);

/* What a raw step did: words of the agent's own (chosen -1), or a candidate. */
function actionOf([, candidates, chosen, , , , , action]) {
  return chosen < 0 ? text(action) : text(DATA.lists[candidates][chosen]);
}

/* Whether a raw step is not what the expert would have done. Words of the agent's own may be the expert's choice. */
function leaves(raw) {
  const [, candidates, chosen, advised] = raw;
  return advised >= 0 && advised !== chosen && (chosen >= 0 || actionOf(raw) !== text(DATA.lists[candidates][advised]));
}

/* The step `s` of an episode with its texts. */
function stepOf(episode, s) {
  const [observation, candidates, chosen, advised, reward, value, probabilities, , prompt = -1, answer = -1] =
    episode.steps[s];
  return {
    observation: listOf(observation).join(''), candidates: listOf(candidates), chosen, advised, reward, value,
    probabilities: probabilities || null, action: actionOf(episode.steps[s]),
    prompt: prompt < 0 ? null : listOf(prompt).join(''), answer: answer < 0 ? null : text(answer),
  };
}

function pairs(flat, second) {
  const found = [];
  for (let i = 0; i < flat.length; i += 2) found.push([text(flat[i]), second(flat[i + 1])]);
  return found;
}

/* What the observation says after "Instruction:", otherwise its first line. */
function taskOf(observation) {
  const found = /Instruction:\s*(?:\[SEP\]\s*)?([^\n]+?)(?:\s*\[SEP\]|\n|$)/.exec(observation);
  return found ? found[1].trim() : observation.trim().split('\n')[0];
}

function episodesOf(group) {
  if (group.episodes) return group.episodes;
  group.episodes = group.raw.map((raw, index) => {
    const [goal, reward, success, truncated, parts, facts, steps] = raw;
    const episode = {group, index, goal, reward, success: !!success, truncated: !!truncated, steps};
    episode.parts = pairs(parts, (value) => value);
    episode.facts = new Map(pairs(facts, text));
    episode.category = episode.facts.get('category') || '';
    episode.task = taskOf(listOf(steps[0][0]).join(''));
    return episode;
  });
  return group.episodes;
}

const allEpisodes = () => GROUPS.flatMap(episodesOf);
const episodeOn = (group, goal) => episodesOf(group).find((episode) => episode.goal === goal);

/* What a part of the reward is when all is well: the most that it is in a successful episode, otherwise 1. */
let fullParts = null;
function fullPart(name) {
  if (!fullParts) {
    fullParts = new Map();
    for (const episode of allEpisodes())
      if (episode.success)
        for (const [part, value] of episode.parts)
          fullParts.set(part, Math.max(value, fullParts.has(part) ? fullParts.get(part) : -Infinity));
  }
  return fullParts.has(name) ? fullParts.get(name) : 1;
}

const OUT_OF_STEPS = 'ran out of steps';
const OTHER_ITEM = 'ended with another item';

/* The names of what went wrong; none after a success. */
function wrongsOf(episode) {
  if (episode.wrongs) return episode.wrongs;
  const wrongs = [];
  const {facts} = episode;
  if (!episode.success) {
    if (episode.truncated) wrongs.push(OUT_OF_STEPS);
    else {
      if (facts.has('target') && facts.get('item') !== facts.get('target'))
        wrongs.push(facts.has('item') ? OTHER_ITEM : 'ended with nothing');
      for (const [part, value] of episode.parts)
        if (value < fullPart(part) - 1e-6) wrongs.push(`${part} not all right`);
    }
    if (!wrongs.length) wrongs.push('failed');
  }
  episode.wrongs = wrongs;
  return wrongs;
}

/* On how many goals a text is among the candidates: what is offered on many is a button of its own, what is
   offered here and there is one of its kind. */
let offered = null;
function isCommon(candidate) {
  if (!offered) {
    const goals = new Set(), goalsOf = new Map();
    for (const group of GROUPS)
      for (const raw of group.raw) {
        goals.add(raw[0]);
        for (const list of new Set(raw[6].map((step) => step[1])))
          for (const number of DATA.lists[list]) {
            if (!goalsOf.has(number)) goalsOf.set(number, new Set());
            goalsOf.get(number).add(raw[0]);
          }
      }
    const least = Math.max(3, goals.size / 4);
    offered = new Set([...goalsOf].filter(([, among]) => among.size >= least).map(([number]) => text(number)));
  }
  return offered.has(candidate);
}

/* A candidate as one of its kind: "click[buy now]", "click[item - …]", "search[…]". */
function kindOf(candidate) {
  if (isCommon(candidate)) return candidate;
  const found = /^([^[]*\[(?:[^\]-]{1,20} - )?)/.exec(candidate);
  return found ? found[1] + '…]' : candidate.split(' ')[0] + ' …';
}

/* The number of the first step in which the agent did not do what the expert would have done; -1: none. */
function departureOf(episode) {
  if (episode.departure === undefined)
    episode.departure = episode.steps.findIndex(leaves);
  return episode.departure;
}

/* That step in words, as one of its kind; '' without one. */
function departureKind(episode) {
  const s = departureOf(episode);
  if (s < 0) return '';
  const [, candidates, , advised] = episode.steps[s];
  const took = kindOf(actionOf(episode.steps[s]));
  const wanted = kindOf(text(DATA.lists[candidates][advised]));
  return took === wanted ? `another ${took}` : `${took} instead of ${wanted}`;
}

/* [value, number of episodes, number of successes], most frequent first. */
function countBy(episodes, valuesOf) {
  const counts = new Map();
  for (const episode of episodes)
    for (const value of valuesOf(episode)) {
      const count = counts.get(value) || [value, 0, 0];
      count[1]++;
      count[2] += episode.success;
      counts.set(value, count);
    }
  return [...counts.values()].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
}

/* Wilson's interval of a proportion, in percent. */
function wilson(successes, n) {
  const z2 = DATA.z * DATA.z;
  const centre = (successes + z2 / 2) / (n + z2);
  const half = DATA.z * Math.sqrt((successes * (n - successes)) / n + z2 / 4) / (n + z2);
  return {mean: 100 * successes / n, low: 100 * Math.max(0, centre - half), high: 100 * Math.min(1, centre + half)};
}
