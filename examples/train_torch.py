"""A small torch policy learns to shop: REINFORCE over 64 sessions that are stepped together. A candidate's score is a
bilinear form of hashed words: what the page says, and what the candidate says.

    python examples/train_torch.py [SHOP FOLDER]        (no folder: a made-up shop)"""

import sys
from zlib import crc32

import cartwright
import numpy as np
import torch

WORDS, HIDDEN, SESSIONS, UPDATES = 4096, 32, 64, 60
plugin, options = ("webshop", {"shop": sys.argv[1]}) if len(sys.argv) > 1 else ("synthetic", {"products": 300})


class Policy(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.page = torch.nn.EmbeddingBag(WORDS, HIDDEN, mode="mean")
        self.action = torch.nn.EmbeddingBag(WORDS, HIDDEN, mode="mean")

    @staticmethod
    def bags(texts):
        words = [[crc32(word.encode()) % WORDS for word in text.lower().split()[:60]] or [0] for text in texts]
        offsets = np.cumsum([0] + [len(bag) for bag in words[:-1]])
        return torch.tensor(sum(words, [])), torch.tensor(offsets)

    def forward(self, texts, candidates):  # a distribution over each session's candidates
        pages = self.page(*self.bags(texts))
        actions = self.action(*self.bags([text for session in candidates for text in session]))
        parts = actions.split([len(session) for session in candidates])
        return [torch.distributions.Categorical(logits=10 * part @ page) for part, page in zip(parts, pages)]


torch.manual_seed(1)
envs = cartwright.make_vec(plugin, SESSIONS, 2, observation="text", step_limit=20, autoreset_mode="Disabled", **options)
policy, baseline = Policy(), 0.0
optimizer = torch.optim.Adam(policy.parameters(), lr=0.01)
for update in range(UPDATES):
    texts, infos = envs.reset(seed=update, options={"reset_mask": np.ones(SESSIONS, dtype=bool)})
    returns, log_probabilities, running = np.zeros(SESSIONS), [[] for _ in range(SESSIONS)], np.ones(SESSIONS, dtype=bool)
    while running.any():
        which = np.flatnonzero(running)
        choices = policy([texts[i] for i in which], [infos["candidates"][i] for i in which])
        actions = [0] * SESSIONS
        for i, choice in zip(which, choices):
            taken = choice.sample()
            actions[i] = int(taken)
            log_probabilities[i].append(choice.log_prob(taken))
        texts, rewards, over, cut, infos = envs.step(actions, sessions=which)
        returns[which] += rewards[which]
        running[which] = ~(over | cut)[which]
    loss = -sum((returns[i] - baseline) * torch.stack(log_probabilities[i]).sum() for i in range(SESSIONS)) / SESSIONS
    baseline += 0.1 * (returns.mean() - baseline)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if update % 10 == 9:
        print(f"update {update + 1}: mean reward {returns.mean():.3f}")
