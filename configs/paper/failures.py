#!/usr/bin/env python3
"""Where the episodes of a trajectory file of a shop fail: failures.py TRAJECTORIES.jsonl (cartwright generate writes one).

Counts episodes by what was bought and, of those that bought something else than the goal's product, by whether that
product was ever on a page that the agent saw. Prints one line of text a class."""
import json
import sys

classes = {}
episodes = 0
for line in open(sys.argv[1], encoding="utf-8"):
    trajectory = json.loads(line)
    episodes += 1
    target, item = trajectory["facts"]["target"], trajectory["facts"].get("item")
    seen = any(target.lower() in step["observation"].lower() for step in trajectory["steps"])
    if trajectory["success"]:
        name = "success"
    elif item is None:
        name = "nothing bought"
    elif item == target:
        name = "goal's product, other options than asked for"
    elif seen:
        name = "another product, the goal's had been on a page"
    else:
        name = "another product, the goal's had never been on a page"
    classes[name] = classes.get(name, 0) + 1
for name, count in sorted(classes.items(), key=lambda item: -item[1]):
    print(f"{count:6} {100 * count / episodes:5.1f} %  {name}")
print(f"{episodes:6} episodes")
