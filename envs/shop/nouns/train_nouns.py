#!/usr/bin/env python3
"""Makes noun_weights.bin, the weights of the built-in noun tagger. Not part of the build.

  train_nouns.py label --webshop DIR --model MODEL --work DIR --seed 5   spaCy's tags for titles and title-like texts
  train_nouns.py train --work DIR --out noun_weights.bin        the network, trained on them (JAX, optax)
  train_nouns.py evaluate --webshop DIR --model MODEL --probe tests/shop/probe   the built tagger against spaCy

MODEL is the folder of an en_core_web_sm. A fifth of the titles, by the hash of their text, is held out: neither they
nor anything else of their products is trained on. The title-like texts are cut and joined from the other products'
titles, bullets and descriptions and from the crowd instructions, so that the network sees many words in many places;
spaCy labels them like real ones. The targets are spaCy's probabilities of all its tags.
"""
import argparse, collections, hashlib, json, os, random, re, struct, subprocess, time
import numpy as np

ROWS, DIMENSIONS = [5000, 1000, 2500, 2500], [16, 8, 16, 8]
WIDTH, PIECES, LAYERS = 48, 2, 3
NOUN_TAGS = ('NN', 'NNS', 'NNP', 'NNPS')
MASK = (1 << 64) - 1
# Titles whose nouns are known for the spaCy release that WebShop pins, which is not to be had as a package: the
# score of each pair is in WebShop's own unit tests. The words are those that are no nouns there.
KNOWN = [
    ('Mens D.O.N. Issue 2 Gca Basketball Sneakers Shoes Casual - Off White', ['Mens']),
    ('Saireed UL Listed 2 Prong Power Cord for JBL Bar 3.1 Bar 2.1 Channel 4K Ultra HD Soundbar', ['Listed']),
    ('Saireed UL Listed 2 Prong Power Cord for JBL Bar 3.1 Bar 2.1 Channel 4K Ultra HD Soundbar '
     'Home Theater System Subwoofer', ['Listed']),
]


def is_held_out(title):
    return int(hashlib.sha256(title.encode()).hexdigest(), 16) % 5 == 0


# Features: the same as noun_network.c.

def mix(h):
    h ^= h >> 33
    h = h * 0xff51afd7ed558ccd & MASK
    h ^= h >> 33
    h = h * 0xc4ceb9fe1a85ec53 & MASK
    return h ^ (h >> 33)


def hashed_rows(text, table, cache={}):
    if (text, table) not in cache:
        h, rows = 14695981039346656037 + table, []
        for c in text:
            h = (h ^ ord(c)) * 1099511628211 & MASK
        for i in range(4):
            h = mix((h + i + 1) & MASK)
            rows.append(h % ROWS[table])
        cache[text, table] = rows
    return cache[text, table]


def shape(word):
    out, last, run = [], '', 0
    for c in word:
        sign = ('X' if c.isupper() else 'x') if c.isalpha() else 'd' if c.isdigit() else c
        run = run + 1 if sign == last else 0
        last = sign
        if run < 4:
            out.append(sign)
    return ''.join(out)


def norm(word):
    same = {'‘': "'", '’': "'", '´': "'", '`': "'", '“': '"', '”': '"', '„': '"', '–': '-', '—': '-'}
    return ''.join(same.get(c) or (c.lower() if len(c.lower()) == 1 else c) for c in word)


def features(word):
    return (hashed_rows(norm(word), 0) + hashed_rows(word[:1], 1) + hashed_rows(word[-3:], 2) +
            hashed_rows(shape(word), 3))


# Title-like texts.

class TextMaker:
    def __init__(self, folder, seed):
        self.random = random.Random(seed)
        load = lambda name: json.load(open(os.path.join(folder, name)))
        products = [p for p in load('items_shuffle_1000.json') if not is_held_out(p['name'])]
        crowd = load('items_human_ins.json')
        self.titles = [p['name'] for p in products if p['name'].split()]
        self.segments = [s.strip() for t in self.titles for s in re.split(r'[,|(–]| - ', t) if s.strip()]
        self.bullets = []
        for p in products:
            bullets = p['small_description'] if isinstance(p['small_description'], list) else [p['small_description']]
            for text in bullets + [p['full_description']]:
                self.bullets += [s.strip() for s in re.split(r'[.,;:!?]\s|[【】\[\]]', text) if 2 < len(s.strip()) < 90]
        self.options = [o['value'] or 'x' for p in products for g in (p['customization_options'] or {}).values()
                        if g for o in g]
        self.instructions = load('human_goals.json')
        self.queries = [q for v in load('goal_query_map.json').values() for q in v]
        self.attributes = [a for v in crowd.values() for r in v for a in r.get('instruction_attributes', [])]
        self.words = [w for t in self.titles for w in t.split()]
        self.vocabulary = sorted({w.lower() for s in self.bullets + self.instructions for w in s.split() if w.isalpha()})

    def chance(self, probability):
        return self.random.random() < probability

    def title_case(self, text):
        small = ('for', 'with', 'and', 'of', 'in', 'to', 'the', 'a', 'or')
        return ' '.join(w if w in small and self.chance(.7) else w[:1].upper() + w[1:] for w in text.split())

    def cased(self, text):
        u = self.random.random()
        return self.title_case(text) if u < .75 else text if u < .95 else text.upper()

    def crop(self, text, length):
        words = text.split()
        start = self.random.randrange(max(len(words) - length + 1, 1))
        return ' '.join(words[start:start + length])

    def word(self):
        return self.random.choice(self.words) if self.chance(.4) else self.cased(self.random.choice(self.vocabulary))

    def swap(self, text, probability):
        return ' '.join(self.word() if w.isalpha() and self.chance(probability) else w for w in text.split())

    def piece(self):
        r, u = self.random, self.random.random()
        if u < .35:
            return r.choice(self.segments)
        if u < .5:
            return self.swap(r.choice(self.segments), .25)
        if u < .7:
            return self.cased(self.crop(r.choice(self.bullets), r.randrange(2, 9)))
        if u < .85:
            return self.cased(self.crop(r.choice(self.instructions), r.randrange(2, 7)))
        return self.cased(r.choice(self.queries if u < .92 else self.attributes if u < .96 else self.options))

    def make(self):
        r, u = self.random, self.random.random()
        if u < .15:
            return self.swap(r.choice(self.titles), .2)
        if u < .25:
            first, second = r.choice(self.titles).split(), r.choice(self.titles).split()
            return ' '.join(first[:r.randrange(1, len(first) + 1)] + second[-r.randrange(1, 12):])
        if u < .35:
            return ' '.join(self.word() for _ in range(r.randrange(4, 16)))
        text = self.piece()
        for _ in range(r.choice([0, 1, 2, 2, 3, 3, 4, 5])):
            text += r.choice([', ', ', ', ', ', ' ', ' - ', ' | ', ' (', ') ', '/', ' & ', ' for ', ' with ', '-',
                              ', for ', ' and ']) + self.piece()
        return re.sub(r'\s+', ' ', text)[:300]


# Labels.

def load_spacy(model):
    import spacy
    return spacy.load(model, exclude=['parser', 'ner', 'lemmatizer'])


def label(nlp, texts):
    """spaCy's tag probabilities, as arrays over the tokens of all texts."""
    tagger, tok2vec = nlp.get_pipe('tagger'), nlp.get_pipe('tok2vec')
    parts = collections.defaultdict(list)
    for start in range(0, len(texts), 512):
        docs = [d for d in map(nlp.make_doc, texts[start:start + 512]) if len(d)]
        tok2vec.set_annotations(docs, tok2vec.predict(docs))
        for doc, scores in zip(docs, tagger.model.predict(docs)):
            scores = np.exp(scores - scores.max(1, keepdims=True))
            parts['features'].append(np.array([features(t.text) for t in doc], dtype=np.int16))
            parts['targets'].append((scores / scores.sum(1, keepdims=True)).astype(np.float16))
            parts['space'].append(np.array([bool(t.whitespace_) for t in doc], dtype=np.int8))
            parts['lengths'].append(np.array([len(doc)]))
    return {k: np.concatenate(v) for k, v in parts.items()}


def label_known(nlp, data):
    """The known titles: spaCy's own tags, but for the words that are no nouns."""
    labels = list(nlp.get_pipe('tagger').labels)
    nouns = [labels.index(t) for t in NOUN_TAGS]
    for title, others in KNOWN:
        one = label(nlp, [title])
        for i, token in enumerate(nlp.make_doc(title)):
            if token.text in others:
                one['targets'][i] = 0
                one['targets'][i, labels.index('VBN' if token.text == 'Listed' else 'JJ')] = 1
            elif token.text.isalpha() and token.text != 'for':
                assert one['targets'][i].argmax() in nouns, token
        for _ in range(60):
            for k in data:
                data[k] = np.concatenate([data[k], one[k]])
    return data


def run_label(args):
    nlp = load_spacy(args.model)
    products = json.load(open(os.path.join(args.webshop, 'items_shuffle_1000.json')))
    titles = sorted({p['name'] for p in products if p['name'].strip()})
    maker = TextMaker(args.webshop, args.seed)
    sets = {
        'held_out': [t for t in titles if is_held_out(t)],
        'titles': [t for t in titles if not is_held_out(t)],
        'made': [maker.make() for _ in range(args.texts)],
    }
    for name, texts in sets.items():
        data = label(nlp, texts)
        if name == 'titles':
            data = label_known(nlp, data)
        np.savez(os.path.join(args.work, name + '.npz'), labels=np.array(nlp.get_pipe('tagger').labels), **data)
        print(f"{name}: {len(texts)} texts, {len(data['space'])} tokens", flush=True)


# Training. Texts stand one after the other in one long row of tokens with empty places between them.

def lay_out(sets, gap=LAYERS + 1):
    lengths = np.concatenate([s['lengths'] for s in sets])
    before = np.cumsum(lengths) - lengths
    n = lengths.sum() + gap * (len(lengths) + 1)
    places = np.repeat(gap * (1 + np.arange(len(lengths))), lengths) + np.arange(lengths.sum())
    assert len(before) == len(lengths)
    out = {}
    for key, kind in (('features', np.int32), ('targets', np.float16), ('space', np.float32)):
        values = np.concatenate([s[key] for s in sets])
        out[key] = np.zeros((n,) + values.shape[1:], kind)
        out[key][places] = values
    out['mask'] = np.zeros(n, np.float32)
    out['mask'][places] = 1
    return out


def run_train(args):
    import jax, jax.numpy as jnp, optax
    load = lambda name: dict(np.load(os.path.join(args.work, name)))
    titles, held_out, made = load('titles.npz'), load('held_out.npz'), load('made.npz')
    labels = list(held_out['labels'])
    is_noun = np.isin(np.arange(len(labels)), [labels.index(t) for t in NOUN_TAGS])
    train, test = lay_out([made, titles, titles, titles]), lay_out([held_out])

    def initialise(key):
        keys = iter(jax.random.split(key, 20))
        p = {f'E{i}': jax.random.normal(next(keys), (ROWS[i], DIMENSIONS[i])) * .1 for i in range(4)}
        for name, inputs in [('m', sum(DIMENSIONS) + 1)] + [(str(i), 3 * WIDTH) for i in range(LAYERS)]:
            p['W' + name] = jax.random.normal(next(keys), (inputs, PIECES, WIDTH)) * inputs ** -.5
            p['b' + name], p['g' + name] = jnp.zeros((PIECES, WIDTH)), jnp.ones(WIDTH)
            p['c' + name] = jnp.zeros(WIDTH)
        p['Wo'], p['bo'] = jax.random.normal(next(keys), (WIDTH, len(labels))) * .05, jnp.zeros(len(labels))
        return p

    def hidden(p, name, x):
        y = (jnp.einsum('ts,skw->tkw', x, p['W' + name]) + p['b' + name]).max(1)
        y = y - y.mean(-1, keepdims=True)
        return y * jax.lax.rsqrt((y ** 2).mean(-1, keepdims=True) + 1e-6) * p['g' + name] + p['c' + name]

    def forward(p, rows, space, mask, key=None):
        x = [p[f'E{i}'][rows[:, 4 * i:4 * i + 4]].sum(1) for i in range(4)] + [space[:, None]]
        h = hidden(p, 'm', jnp.concatenate(x, 1)) * mask[:, None]
        if key is not None:
            h = h * (jax.random.bernoulli(key, .95, h.shape) / .95)
        for i in range(LAYERS):
            sides = jnp.pad(h, ((1, 1), (0, 0)))
            h = (h + hidden(p, str(i), jnp.concatenate([sides[:-2], h, sides[2:]], 1))) * mask[:, None]
        return h @ p['Wo'] + p['bo']

    def loss(p, rows, targets, space, mask, key):
        scores = jax.nn.log_softmax(forward(p, rows, space, mask, key))
        return -((scores * targets).sum(1) * mask).sum() / mask.sum()

    size = 2048
    n_batches = len(train['mask']) // size
    optimiser = optax.adam(optax.cosine_onecycle_schedule(args.epochs * n_batches, 3e-3, pct_start=.1), b2=.99)

    @jax.jit
    def step(p, state, rows, targets, space, mask, key):
        value, gradient = jax.value_and_grad(loss)(p, rows, targets, space, mask, key)
        update, state = optimiser.update(gradient, state)
        return optax.apply_updates(p, update), state, value

    predict = jax.jit(lambda p, t: forward(p, t['features'], t['space'], t['mask']).argmax(1))

    def accuracy(p):
        real = test['mask'] > 0
        return (is_noun[np.array(predict(p, test))] == is_noun[test['targets'].argmax(1)])[real].mean()

    p, key = initialise(jax.random.PRNGKey(args.seed)), jax.random.PRNGKey(args.seed + 1)
    state, order, started = optimiser.init(p), np.random.default_rng(args.seed), time.time()
    for epoch in range(args.epochs):
        total = 0.
        for batch in order.permutation(n_batches):
            cut = slice(batch * size, batch * size + size)
            key, one = jax.random.split(key)
            p, state, value = step(p, state, train['features'][cut], train['targets'][cut].astype(np.float32),
                                   train['space'][cut], train['mask'][cut], one)
            total += float(value)
        print(f'epoch {epoch + 1}: loss {total / n_batches:.4f}, held-out accuracy {accuracy(p):.4f}, '
              f'{time.time() - started:.0f} s', flush=True)
    write_weights(args.out, {k: np.array(v) for k, v in p.items()}, labels)


def write_weights(path, p, labels):
    out = bytearray(b'CWNOUN1\0')
    more = -len(labels) % 16  # outputs come in blocks of 16
    mask = sum(1 << labels.index(t) for t in NOUN_TAGS)
    out += struct.pack('<14I', *ROWS, *DIMENSIONS, WIDTH, PIECES, LAYERS, len(labels) + more, mask & 0xffffffff,
                       mask >> 32)

    def floats(values):
        out.extend(np.ascontiguousarray(values, dtype='<f4').tobytes())

    def integers(values):
        out.extend(np.round(values).astype(np.int8).tobytes())
        out.extend(bytes(-len(out) % 4))

    def dense(weights, biases):
        weights = weights.reshape(len(weights), -1)
        scales = np.abs(weights).max(0) / 127 + 1e-12
        floats(scales)
        integers(weights / scales)
        floats(biases.ravel())

    for i in range(4):
        scale = np.abs(p[f'E{i}']).max() / 127
        floats([scale])
        integers(p[f'E{i}'] / scale)
    for name in ['m'] + [str(i) for i in range(LAYERS)]:
        dense(p['W' + name], p['b' + name])
        floats(p['g' + name])
        floats(p['c' + name])
    dense(np.pad(p['Wo'], ((0, 0), (0, more))), np.pad(p['bo'], (0, more), constant_values=-1e9))
    open(path, 'wb').write(out)
    print(f'{path}: {len(out)} bytes')


# Evaluation.

def type_reward(goal, product, nouns):
    wanted, found = nouns[goal['name']], nouns[product['name']]
    parts = lambda p: {x.strip() for x in p['product_category'].split('›')}
    score = len(set(wanted) & set(found)) / len(wanted) if wanted else .2
    same = goal['query'].lower().strip() == product['query'].lower().strip()
    if score == 0:
        return 0.
    if score < .1:
        return .1
    return 1. if same or len(parts(goal) & parts(product)) >= 2 or score > .2 else .5


def draw_pairs(products, kind, n, seed):
    choose, groups, pairs = random.Random(seed), collections.defaultdict(list), []
    for p in products:
        groups[p[kind] if kind else ''].append(p)
    while len(pairs) < n:
        goal = choose.choice(products)
        product = choose.choice(groups[goal[kind] if kind else ''])
        if product is not goal:
            pairs.append((goal, product))
    return pairs


def run_evaluate(args):
    nlp = load_spacy(args.model)
    products = [p for p in json.load(open(os.path.join(args.webshop, 'items_shuffle_1000.json')))]
    titles = sorted({p['name'] for p in products})
    docs = dict(zip(titles, nlp.pipe(titles)))
    reference = {t: [w.text.lower() for w in docs[t] if w.pos_ in ('NOUN', 'PROPN')] for t in titles}
    lines = subprocess.run([args.probe, 'nouns'], input=''.join(json.dumps(t) + '\n' for t in titles),
                           capture_output=True, text=True, check=True).stdout.splitlines()
    ours = dict(zip(titles, map(json.loads, lines)))
    for name, chosen in (('held-out', [p for p in products if is_held_out(p['name'])]), ('all', products)):
        names = {p['name'] for p in chosen}
        count = lambda nouns: collections.Counter((t, w) for t in names for w in nouns[t])
        a, b = count(reference), count(ours)
        tokens, wrong = sum(len(docs[t]) for t in names), sum(((a - b) + (b - a)).values())
        print(f'{name}: {len(names)} titles, {tokens} tokens, token accuracy {1 - wrong / tokens:.4f}')
        for kind in (None, 'category', 'query'):
            pairs = draw_pairs(chosen, kind, args.pairs, 0)
            same = sum(type_reward(*pair, reference) == type_reward(*pair, ours) for pair in pairs)
            print(f'  r_type agrees on {same / len(pairs):.4f} of {len(pairs)} pairs, {"same " + kind if kind else "any"}')


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    for name, run in (('label', run_label), ('train', run_train), ('evaluate', run_evaluate)):
        command = commands.add_parser(name)
        command.set_defaults(run=run)
        command.add_argument('--seed', type=int, default=0)
        if name != 'train':
            command.add_argument('--webshop', required=True, help="folder of WebShop's data files")
            command.add_argument('--model', required=True, help='folder of an en_core_web_sm')
        if name != 'evaluate':
            command.add_argument('--work', required=True, help='folder for the labels')
        if name == 'label':
            command.add_argument('--texts', type=int, default=110000)
        if name == 'train':
            command.add_argument('--epochs', type=int, default=6)
            command.add_argument('--out', required=True)
        if name == 'evaluate':
            command.add_argument('--probe', required=True, help='the built tests/shop/probe')
            command.add_argument('--pairs', type=int, default=20000)
    args = parser.parse_args()
    args.run(args)


if __name__ == '__main__':
    main()
